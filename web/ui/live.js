// The connection to the server. It comes back by itself when it is lost: what
// the page shows is asked for by number, so nothing is missed meanwhile.

export class Live {
  #socket = null;
  #wait = 250;
  #handlers = new Map(); // by op
  ups = []; // called when there is a connection,
  downs = []; // and when it is lost

  constructor() { this.#connect(); }

  // on lets fn have the messages with an op.
  on(op, fn) { this.#handlers.set(op, [...(this.#handlers.get(op) || []), fn]); }

  #connect() {
    const socket = new WebSocket(`ws://${location.host}/live${location.search}`);
    socket.onopen = () => {
      this.#socket = socket;
      this.#wait = 250;
      for (const fn of this.ups) fn();
    };
    socket.onmessage = (e) => {
      const m = JSON.parse(e.data);
      for (const fn of this.#handlers.get(m.op) || []) fn(m);
    };
    socket.onclose = () => {
      this.#socket = null;
      for (const fn of this.downs) fn();
      setTimeout(() => this.#connect(), this.#wait);
      this.#wait = Math.min(this.#wait * 2, 5000);
    };
  }

  // ask sends a request; false when there is no connection.
  ask(request) {
    if (!this.#socket || this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(request));
    return true;
  }
}
