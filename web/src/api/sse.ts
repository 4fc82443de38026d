/** A message of a stream of server-sent events. */
export interface Message {
  /** The id that was sent last, by this message or one before it. */
  id: string;
  event: string;
  data: string;
}

/**
 * Reads server-sent events out of text that comes in any pieces. Comments are
 * dropped; whoever wants to know that the stream lives sees the bytes.
 */
export class MessageParser {
  #rest = '';
  #id = '';
  #event = '';
  #data: string[] = [];

  /** Takes a piece of text and returns the messages that it completes. */
  push(text: string): Message[] {
    const lines = (this.#rest + text).split(/\r?\n/);
    this.#rest = lines.pop() ?? '';
    const done: Message[] = [];
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) done.push({ id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') });
        this.#event = '';
        this.#data = [];
      } else {
        this.#field(line);
      }
    }
    return done;
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id') this.#id = value;
  }
}
