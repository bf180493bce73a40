// Turns the page's form and list into a live chat. Without this file both still work, by reload.
// The protocol is described in chat/consumers.py.
"use strict";

// Of consumers.NOT_STAFF: the room is not open to this user, so trying again is of no use.
const NOT_STAFF = 4403;
// Milliseconds before the first and, doubled each time, at most before any later attempt.
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;
// Messages kept on the page, so that one left open for weeks stays quick.
const KEPT = 500;
// Pixels from the end within which the reader is taken to be following.
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
// What was sent and has not come back yet, oldest first; it returns to the field if it never does.
const pending = [];
// What went back to the field because the connection broke. It may have been stored all the same,
// and then comes with the next one.
let returned = null;
// Whether the reader is at the end of the log, and new messages should stay in sight.
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

// Adds a message where its id belongs; one that is shown already, from the page itself or from
// before a reconnection, is left alone. Returns whether it is new.
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
  // A server that lets us in and sends us away again is not yet well.
  if (openedAt > 0 && Date.now() - openedAt > LONGEST_WAIT) {
    wait = FIRST_WAIT;
  }
  openedAt = 0;
  // Half of it at random, so that not everyone returns to a restarted server at once.
  const delay = wait / 2 + (Math.random() * wait) / 2;
  wait = Math.min(2 * wait, LONGEST_WAIT);
  showConnection("waiting", everOpen ? "Connection lost, trying again…" : "Connecting…");
  retryTimer = setTimeout(connect, delay);
}

// Whoever comes back to the page or to the network should not have to wait for the timer.
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
    // Something between us lets no websockets through: the form goes by plain HTTP.
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
  // isComposing: in some languages Enter picks a character.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
}

function rememberName() {
  // Browsers that keep nothing, as in private windows, throw here.
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
// The message below says it, in the page's own words and place.
messageField.required = false;
form.addEventListener("submit", say);
messageField.addEventListener("keydown", enterSends);
newest.addEventListener("click", () => {
  scrollToEnd();
  // The button is gone, and the focus should not be gone with it.
  log.focus();
});
log.addEventListener("scroll", () => {
  following = atEnd();
  if (following) {
    newest.hidden = true;
  }
});
// A turned phone or an opened keyboard changes the log's height.
new ResizeObserver(() => {
  if (following) {
    scrollToEnd();
  }
}).observe(log);
window.addEventListener("online", connectNow);
document.addEventListener("visibilitychange", connectNow);
showConnection("connecting", "Connecting…");
connect();
