// Makes the page's form and list a live chat. Without this file, both work by reloading the page.
// chat/consumers.py describes the protocol.
"use strict";

// As in consumers.py: the room is closed to this user, so trying again is useless.
const NOT_STAFF = 4403;
// Milliseconds before the first attempt to reconnect; doubled each time, up to the longest.
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;
// Messages kept on the page, so that it stays fast if it is open for weeks.
const KEPT = 500;
// A reader within this many pixels of the end is following the chat.
const AT_END = 60;
const NO_CONNECTION = "There is no connection. Your text stays here until there is one.";

const main = document.querySelector("main");
const log = document.getElementById("log");
const list = log.querySelector("ol");
const empty = document.getElementById("empty");
const newest = document.getElementById("newest");
const form = document.getElementById("say");
const nameField = document.getElementById("name");
const messageField = document.getElementById("message");
const problem = document.getElementById("problem");
const connection = document.getElementById("connection");

let socket = null;
let everOpen = false;
let openedAt = 0;
let wait = FIRST_WAIT;
let retryTimer = null;
// Sent messages that have not come back yet, oldest first. If one is lost, it returns to the field.
const pending = [];
// The text that returned to the field because the connection broke. It may be stored all the same,
// and then it comes with the next connection.
let returned = null;
// Whether the reader is at the end of the log, so that the log scrolls with new messages.
let following = true;

// The list

const timeOfDay = new Intl.DateTimeFormat([], { timeStyle: "short" });
const dateAndTime = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });

function showTime(element) {
  const sent = new Date(element.dateTime);
  const today = sent.toDateString() === new Date().toDateString();
  element.textContent = (today ? timeOfDay : dateAndTime).format(sent);
  element.title = dateAndTime.format(sent);
}

function atEnd() {
  return log.scrollHeight - log.scrollTop - log.clientHeight < AT_END;
}

function scrollToEnd() {
  log.scrollTop = log.scrollHeight;
  following = true;
  newest.hidden = true;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function listItem(message) {
  const item = document.createElement("li");
  item.dataset.id = message.id;
  const who = element("div", "who", "");
  who.append(element("b", "", message.name), " ");
  if (message.guest && message.name !== "guest") {
    who.append(element("span", "guest", "guest"), " ");
  }
  const time = document.createElement("time");
  time.dateTime = message.sent;
  showTime(time);
  who.append(time);
  item.append(who, element("div", "text", message.message));
  return item;
}

// Adds a message in the order of ids, unless it is shown already (by the page, or before the last
// reconnection). Returns whether it is new.
function add(message) {
  let before = list.lastElementChild;
  while (before && Number(before.dataset.id) > message.id) {
    before = before.previousElementSibling;
  }
  if (before && Number(before.dataset.id) === message.id) {
    return false;
  }
  const item = listItem(message);
  if (before) {
    before.after(item);
  } else {
    list.prepend(item);
  }
  empty.hidden = true;
  if (list.children.length > KEPT) {
    list.firstElementChild.remove();
  }
  if (following) {
    scrollToEnd();
  } else {
    newest.hidden = false;
  }
  return true;
}

// The connection

function showConnection(state, text) {
  connection.dataset.state = state;
  connection.textContent = text;
}

function connect() {
  clearTimeout(retryTimer);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}${main.dataset.socket}`);
  socket.addEventListener("open", opened);
  socket.addEventListener("message", received);
  socket.addEventListener("close", closed);
}

function opened() {
  everOpen = true;
  openedAt = Date.now();
  if (problem.textContent === NO_CONNECTION) {
    problem.textContent = "";
  }
  showConnection("open", "Connected");
}

function received(event) {
  const data = JSON.parse(event.data);
  if (data.type === "message") {
    if (add(data)) {
      confirm(data.message);
    }
  } else if (data.type === "error") {
    problem.textContent = data.message;
    if (data.code !== "not_passed_on") {
      takeBack(pending.splice(0, 1));
    }
  }
}

function confirm(text) {
  const index = pending.indexOf(text);
  if (index !== -1) {
    pending.splice(index, 1);
  } else if (text === returned && messageField.value === returned) {
    messageField.value = "";
    problem.textContent = "";
    returned = null;
  }
}

function takeBack(texts) {
  if (messageField.value === "") {
    messageField.value = texts.join("\n");
  }
}

function closed(event) {
  if (event.code === NOT_STAFF) {
    showConnection("refused", "This room is for staff. Reload the page to log in.");
    takeBack(pending.splice(0));
    return;
  }
  if (pending.length > 0) {
    problem.textContent = "The connection broke before your message was confirmed.";
    takeBack(pending.splice(0));
    returned = messageField.value;
  }
  // A server that accepts connections and closes them soon has not recovered yet.
  if (openedAt > 0 && Date.now() - openedAt > LONGEST_WAIT) {
    wait = FIRST_WAIT;
  }
  openedAt = 0;
  // Half of the wait is random, so that clients do not return to a restarted server all at once.
  const delay = wait / 2 + (Math.random() * wait) / 2;
  wait = Math.min(2 * wait, LONGEST_WAIT);
  showConnection("waiting", everOpen ? "Connection lost, trying again…" : "Connecting…");
  retryTimer = setTimeout(connect, delay);
}

// A user who returns to the page or to the network should not wait for the timer.
function connectNow() {
  if (socket.readyState === WebSocket.CLOSED && connection.dataset.state === "waiting") {
    wait = FIRST_WAIT;
    connect();
  }
}

// The form

function say(event) {
  problem.textContent = "";
  const open = socket.readyState === WebSocket.OPEN;
  if (!open && !everOpen) {
    // A proxy may block websockets: the browser sends the form by plain HTTP.
    return;
  }
  event.preventDefault();
  const text = messageField.value.trim();
  if (text === "") {
    problem.textContent = "Write something first.";
  } else if (!open) {
    problem.textContent = NO_CONNECTION;
  } else {
    pending.push(text);
    socket.send(JSON.stringify({ message: text, name: nameField ? nameField.value : "" }));
    messageField.value = "";
    scrollToEnd();
  }
  messageField.focus();
}

function enterSends(event) {
  // isComposing: in some languages, Enter picks a character.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
}

function rememberName() {
  // Browsers without storage, as in private windows, throw here.
  try {
    localStorage.setItem("name", nameField.value);
  } catch {
    return;
  }
}

function recallName() {
  try {
    nameField.value = nameField.value || localStorage.getItem("name") || "";
  } catch {
    return;
  }
}

list.querySelectorAll("time").forEach(showTime);
scrollToEnd();
document.getElementById("keys").hidden = false;
if (nameField) {
  recallName();
  nameField.addEventListener("change", rememberName);
}
// The page shows its own message for an empty field.
messageField.required = false;
form.addEventListener("submit", say);
messageField.addEventListener("keydown", enterSends);
newest.addEventListener("click", () => {
  scrollToEnd();
  // The button is hidden, and the focus needs another place.
  log.focus();
});
log.addEventListener("scroll", () => {
  following = atEnd();
  if (following) {
    newest.hidden = true;
  }
});
// Turning a phone or opening its keyboard changes the log's height.
new ResizeObserver(() => {
  if (following) {
    scrollToEnd();
  }
}).observe(log);
window.addEventListener("online", connectNow);
document.addEventListener("visibilitychange", connectNow);
showConnection("connecting", "Connecting…");
connect();
