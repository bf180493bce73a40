async function poll() {
  const answer = await fetch("/events/?room=lobby");
  if (answer.status === 200) {
    const item = document.createElement("li");
    item.textContent = (await answer.json()).text;
    document.querySelector("ul").prepend(item);
  }
  poll();
}

poll();
