import { Button } from '@mantine/core';
import type { ArrayFieldItemTemplateProps, ArrayFieldTemplateProps, FieldTemplateProps, ObjectFieldTemplateProps } from '@rjsf/utils';
import { useState, type ReactNode } from 'react';
import { IconChevronRight, IconPlus, IconTrash } from '../../../ui/icons';
import { groupsOf, type Config, type JsonSchema } from '../model/schema';
import { useForm } from './context';
import classes from './form.module.css';

/** Inputs bring their label, help and error themselves. */
export function Field({ children, hidden }: FieldTemplateProps<Config>) {
  return hidden ? <div hidden>{children}</div> : <>{children}</>;
}

/** The settings in groups; those that most leave alone are folded, unless they are filled in or wrong. */
export function ObjectFields({ schema, properties, fieldPathId, formData, title, description }: ObjectFieldTemplateProps<Config>) {
  const { errors } = useForm();
  const top = fieldPathId.path.length === 0;
  const by = new Map(properties.map((p) => [p.name, p]));
  const groups = groupsOf(schema as JsonSchema);
  const at = fieldPathId.$id;
  const content = groups.map((g) => {
    const inside = g.names.map((n) => by.get(n)).map((p) => p && <div key={p.name}>{p.content}</div>);
    if (!g.title) return <div key="" className={classes.fields}>{inside}</div>;
    const set = g.names.filter((n) => formData?.[n] !== undefined).length;
    const wrong = g.names.some((n) => errors[`${at}.${n}`]);
    return (
      <Fold key={g.title} title={g.title} note={set > 0 ? `${set} set` : `${g.names.length} settings, all as they come`} open={wrong}>
        <div className={classes.fields}>{inside}</div>
      </Fold>
    );
  });
  if (top) return <div className={classes.groups}>{content}</div>;
  const filled = formData !== undefined && Object.keys(formData).length > 0;
  const item = typeof fieldPathId.path.at(-1) === 'number';
  if (item) return <div className={classes.groups}>{content}</div>;
  return (
    <Fold title={title} note={typeof description === 'string' ? description : undefined} open={filled || Object.keys(errors).some((e) => e.startsWith(`${at}.`))}>
      <div className={classes.groups}>{content}</div>
    </Fold>
  );
}

/** A part that is folded until it is wanted. What is wrong inside opens it. */
export function Fold({ title, note, open, children }: { title: ReactNode; note?: ReactNode; open?: boolean; children: ReactNode }) {
  const [shown, setShown] = useState(open ?? false);
  const [was, setWas] = useState(open);
  if (open !== was) {
    setWas(open);
    if (open) setShown(true);
  }
  return (
    <details className={classes.fold} open={shown} onToggle={(e) => setShown(e.currentTarget.open)}>
      <summary>
        <IconChevronRight size={14} aria-hidden className={classes.turn} />
        <span className={classes.foldTitle}>{title}</span>
        {note && <span className={classes.foldNote}>{note}</span>}
      </summary>
      <div className={classes.foldBody}>{children}</div>
    </details>
  );
}

export function ArrayFields({ title, items, canAdd, onAddClick, schema, fieldPathId }: ArrayFieldTemplateProps<Config[]>) {
  const { disabled } = useForm();
  return (
    <fieldset className={classes.list} id={fieldPathId.$id}>
      <legend>{title}</legend>
      {schema.description && <p className={classes.help}>{schema.description}</p>}
      {items}
      {canAdd && (
        <div>
          <Button variant="default" leftSection={<IconPlus size={14} />} onClick={onAddClick} disabled={disabled}>
            Add
          </Button>
        </div>
      )}
    </fieldset>
  );
}

export function ArrayItem({ children, index, buttonsProps }: ArrayFieldItemTemplateProps<Config>) {
  return (
    <div className={classes.item}>
      <div className={classes.itemHead}>
        <span className="dim">{index + 1}</span>
        <Button variant="subtle" color="gray" size="compact-xs" leftSection={<IconTrash size={13} />} onClick={buttonsProps.onRemoveItem} aria-label={`Remove ${index + 1}`}>
          Remove
        </Button>
      </div>
      {children}
    </div>
  );
}
