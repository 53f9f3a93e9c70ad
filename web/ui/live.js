// The connection to the server. It comes back by itself when it is lost: what
// the page shows is asked for by number, so nothing is missed meanwhile.

export class Live {
  #socket = null;
  #wait = 250;
  #handlers;

  // handlers: message(object), up(), down()
  constructor(handlers) {
    this.#handlers = handlers;
    this.#connect();
  }

  #connect() {
    const socket = new WebSocket(`ws://${location.host}/live`);
    socket.onopen = () => {
      this.#socket = socket;
      this.#wait = 250;
      this.#handlers.up();
    };
    socket.onmessage = (e) => this.#handlers.message(JSON.parse(e.data));
    socket.onclose = () => {
      this.#socket = null;
      this.#handlers.down();
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
