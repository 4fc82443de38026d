/** A call of the API, to be written for people. */
export interface Call {
  method: string;
  /** Its path with its query. */
  path: string;
  body?: unknown;
}

/** The call as curl makes it, with a token from the environment. */
export function toCurl(call: Call, origin: string): string {
  const lines = [`curl -X ${call.method} ${quote(origin + call.path)}`, `-H "Authorization: Bearer $SLUICE_TOKEN"`];
  if (call.body !== undefined) lines.push("-H 'Content-Type: application/json'", `-d ${quote(JSON.stringify(call.body))}`);
  return lines.join(' \\\n  ') + '\n';
}

/** A word of a POSIX shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A value as YAML; what JSON leaves out (undefined) is left out. Keys keep their order. */
export function toYaml(value: unknown): string {
  return node(value, 0).replace(/^\n/, '') + '\n';
}

function node(value: unknown, depth: number): string {
  const indent = '  '.repeat(depth);
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    return '\n' + value.map((v) => `${indent}- ${node(v, depth + 1).replace(/^\n\s*/, '')}`).join('\n');
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    if (entries.length === 0) return '{}';
    return (
      '\n' +
      entries
        .map(([k, v]) => {
          const text = node(v, depth + 1);
          return `${indent}${plain(k, otherKeys)}:${text.startsWith('\n') ? '' : ' '}${text}`;
        })
        .join('\n')
    );
  }
  return scalar(value);
}

const plainText = /^[A-Za-z_/][\w ./@+-]*$/;
/** What a reader may take for something else than a text: as a value by YAML 1.1, too; as a key by YAML 1.2, which is how `sluice apply` reads. */
const otherValues = /^(true|false|yes|no|on|off|null|y|n|~)$/i;
const otherKeys = /^(true|false|null|~)$/i;

function scalar(value: unknown): string {
  return typeof value === 'string' ? plain(value, otherValues) : JSON.stringify(value ?? null);
}

/** A text as it is, or in quotes where it would be read as something else. */
function plain(text: string, others: RegExp): string {
  return plainText.test(text) && !others.test(text) && !text.endsWith(' ') ? text : JSON.stringify(text);
}
