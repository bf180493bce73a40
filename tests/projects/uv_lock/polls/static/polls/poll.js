const scheme = location.protocol === "https:" ? "wss" : "ws";
const socket = new WebSocket(`${scheme}://${location.host}/ws/poll/`);

socket.onmessage = (event) => {
  const list = document.getElementById("results");
  list.replaceChildren();
  for (const [text, votes] of Object.entries(JSON.parse(event.data).results)) {
    const item = document.createElement("li");
    item.textContent = `${text}: ${votes}`;
    list.append(item);
  }
};

for (const button of document.querySelectorAll("button")) {
  button.onclick = () => socket.send(JSON.stringify({ vote: button.value }));
}
