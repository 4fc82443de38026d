import type { Schemas } from '../api/client';

/** What is told by colour, shape and word. */
export type Tone = 'healthy' | 'degraded' | 'down' | 'action' | 'paused' | 'syncing' | 'waiting';

export type Health = 'healthy' | 'degraded' | 'down' | 'needs_action' | 'unmeasured';
type Status = Schemas['Status'] & { health?: Health };

/** The words of statuses: here and nowhere else. */
export const words: Record<string, { word: string; tone: Tone; means: string }> = {
  // health
  healthy: { word: 'Healthy', tone: 'healthy', means: 'Syncs succeed.' },
  degraded: { word: 'Degraded', tone: 'degraded', means: 'Syncs fail, not yet longer than the threshold.' },
  down: { word: 'Down', tone: 'down', means: 'Syncs have failed for longer than the threshold.' },
  new: { word: 'Not run yet', tone: 'waiting', means: 'No sync of it has ended yet.' },
  unmeasured: { word: 'Not measured yet', tone: 'waiting', means: 'No sync has said yet how it is.' },
  needs_action: { word: 'Needs action', tone: 'action', means: 'Only a person can put it right.' },
  // sync_state
  scheduled: { word: 'Scheduled', tone: 'healthy', means: 'It runs next by its schedule.' },
  queued: { word: 'Queued', tone: 'waiting', means: 'Its sync waits for a place.' },
  syncing: { word: 'Syncing', tone: 'syncing', means: 'A sync runs.' },
  rescheduled: { word: 'Rescheduled', tone: 'waiting', means: 'It waits for the quota of its source.' },
  paused: { word: 'Paused', tone: 'paused', means: 'Somebody keeps it from running.' },
  // setup_state
  incomplete: { word: 'Not checked', tone: 'waiting', means: 'Its set-up was never checked.' },
  connected: { word: 'Connected', tone: 'healthy', means: 'Its last check succeeded.' },
  broken: { word: 'Broken', tone: 'action', means: 'Its set-up does not work.' },
  // freshness
  on_schedule: { word: 'On schedule', tone: 'healthy', means: 'The last success is within the objective.' },
  delayed: { word: 'Delayed', tone: 'degraded', means: 'The last success is older than the objective.' },
  // outcomes
  succeeded: { word: 'Succeeded', tone: 'healthy', means: 'All that was read is loaded.' },
  succeeded_with_warnings: { word: 'Succeeded with warnings', tone: 'degraded', means: 'Loaded, but for what the warnings say.' },
  failed: { word: 'Failed', tone: 'down', means: 'It ended with an error.' },
  cancelled: { word: 'Cancelled', tone: 'paused', means: 'Somebody ended it.' },
  // states of syncs
  running: { word: 'Running', tone: 'syncing', means: 'A worker runs it.' },
  retrying: { word: 'Retrying', tone: 'degraded', means: 'An attempt failed; the next one comes.' },
  ended: { word: 'Ended', tone: 'paused', means: 'It is over.' },
};

/** What the class of a failure means for people. */
export const classes: Record<string, { word: string; means: string }> = {
  transient: { word: 'Passing', means: 'Network, overload or a restart on the other side: it is tried again by itself.' },
  throttled: { word: 'Throttled', means: 'The source allows no more requests for now: it goes on when its quota is there again.' },
  config: { word: 'Set-up', means: 'The settings are wrong: somebody has to change them.' },
  auth: { word: 'Credentials', means: 'The credentials were refused or have expired: new ones are needed.' },
  blocked: { word: 'Approval', means: 'The schema policy forbids what now comes: somebody has to approve it.' },
  lost: { word: 'Position lost', means: 'The source no longer knows how far it was read: streams are read anew.' },
  data: { word: 'Data', means: 'Records could not be loaded; they are kept apart.' },
  bug: { word: 'Unexpected', means: 'Nobody foresaw this; the evidence is kept.' },
  cancelled: { word: 'Cancelled', means: 'Somebody ended it.' },
};

/** Word, tone and meaning of a status of the API; what is not known is shown as it is. */
export function statusWord(status: string): { word: string; tone: Tone; means: string } {
  return words[status] ?? { word: status.replaceAll('_', ' '), tone: 'waiting', means: '' };
}

/** Health as the API says it, or as its other axes imply where it does not. */
export function healthOf(status: Status): Health {
  if (status.health) return status.health;
  if (status.setup_state === 'broken') return 'needs_action';
  if (status.failures_in_row > 0) return ['config', 'auth', 'blocked'].includes(status.last_failure?.class ?? '') ? 'needs_action' : 'degraded';
  return 'healthy';
}

/** The one status that a list shows of a connection: what wants attention first. */
export function statusOf(status: Status): string {
  if (status.sync_state === 'paused') return 'paused';
  const health = healthOf(status);
  if (health === 'unmeasured') return status.sync_state === 'scheduled' ? 'new' : status.sync_state;
  if (health !== 'healthy') return health;
  return status.sync_state === 'scheduled' ? 'healthy' : status.sync_state;
}
