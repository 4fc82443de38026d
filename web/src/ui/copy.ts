import { notifications } from '@mantine/notifications';

/** Copies a text and says so. Works without TLS, too, where browsers give no clipboard. */
export function copyText(text: string, what = 'The text'): void {
  const done = () => notifications.show({ message: `${what} was copied.`, color: 'teal', autoClose: 2000 });
  const failed = () => notifications.show({ message: `${what} could not be copied: the browser forbids it.`, color: 'red' });
  if (window.isSecureContext) {
    navigator.clipboard.writeText(text).then(done, failed);
    return;
  }
  const area = document.createElement('textarea');
  area.value = text;
  area.setAttribute('readonly', '');
  document.body.append(area);
  area.select();
  // The only way where the page came without TLS; deprecated, and everywhere.
  const copied = document.execCommand('copy');
  area.remove();
  (copied ? done : failed)();
}
