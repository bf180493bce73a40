var scheme = window.location.protocol == "https:" ? "wss" : "ws";
var socket = new WebSocket(scheme + "://" + window.location.host + "/ws/station/");

socket.onmessage = function (e) {
  document.querySelector("#now").textContent = JSON.parse(e.data).celsius;
};
