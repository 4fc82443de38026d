import type { Incident } from '../../api/health';
import type { Tone } from '../../ui/status';
import { plural } from '../../ui/format';

/** Words and tones of severities: sev1 is the worst. */
export const severities: Record<Incident['severity'], { word: string; tone: Tone }> = {
  sev1: { word: 'Sev 1', tone: 'down' },
  sev2: { word: 'Sev 2', tone: 'action' },
  sev3: { word: 'Sev 3', tone: 'degraded' },
  sev4: { word: 'Sev 4', tone: 'waiting' },
};

export const states: Record<Incident['state'], { word: string; tone: Tone }> = {
  open: { word: 'Open', tone: 'down' },
  acknowledged: { word: 'Acknowledged', tone: 'syncing' },
  resolved: { word: 'Resolved', tone: 'healthy' },
  merged: { word: 'Merged', tone: 'paused' },
};

/** How far the cause reaches, in words: "one customer's password" reads unlike "the vendor broke for all". */
export function reach(i: Pick<Incident, 'scope' | 'connector' | 'connections'>): string {
  const many = plural(i.connections, 'connection');
  switch (i.scope) {
    case 'source':
      return `One source of ${i.connector}: ${many}`;
    case 'destination':
      return `One destination (${i.connector}): ${many}`;
    case 'connector':
      return `All of ${i.connector}: ${many}`;
    case 'kind':
      return `All destinations of kind ${i.connector}: ${many}`;
    case 'connection':
      return `Split off by hand: ${many}`;
  }
}

/** Whether an incident's due date is past, near, or neither. Three days are near, as reminders have it. */
export function dueness(i: Pick<Incident, 'due_at' | 'state'>, now: number): 'overdue' | 'near' | undefined {
  if (!i.due_at || i.state === 'resolved' || i.state === 'merged') return undefined;
  const left = Date.parse(i.due_at) - now;
  return left < 0 ? 'overdue' : left < 3 * 86_400_000 ? 'near' : undefined;
}

/** Incidents with the worst first: severity, then how many they hold down, then the oldest. */
export function worstFirst(items: readonly Incident[]): Incident[] {
  return items.toSorted((a, b) => a.severity.localeCompare(b.severity) || b.connections - a.connections || a.number - b.number);
}

/** The time that a field of a form names, as an input of type datetime-local has it, and back. */
export function toLocal(at: string | undefined): string {
  if (!at) return '';
  const t = new Date(at);
  return new Date(t.getTime() - t.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export const fromLocal = (text: string): string | undefined => (text ? new Date(text).toISOString() : undefined);
