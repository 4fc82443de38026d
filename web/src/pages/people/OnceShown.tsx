import { Button, Modal, TextInput } from '@mantine/core';
import { copyText } from '../../ui/copy';
import { Time } from '../../ui/Time';
import { IconCopy } from '../../ui/icons';
import classes from './people.module.css';

/** A text that is shown this once: to be copied now, and known to nobody afterwards. */
export function OnceShown({ title, label, text, until, children, onClose }: { title: string; label: string; text: string; until?: string; children: React.ReactNode; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title={title} closeOnClickOutside={false} size="lg">
      <div className="stack">
        <p>{children}</p>
        <TextInput readOnly label={label} size="sm" value={text} onFocus={(e) => e.currentTarget.select()} data-autofocus classNames={{ input: classes.secret }} />
        {until && (
          <p className="dim">
            It ends <Time at={until} />.
          </p>
        )}
        <div className={classes.end}>
          <Button leftSection={<IconCopy size={14} />} variant="default" onClick={() => copyText(text, label)}>
            Copy
          </Button>
          <Button onClick={onClose}>I have kept it</Button>
        </div>
      </div>
    </Modal>
  );
}
