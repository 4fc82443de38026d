import classes from './Health.module.css';

/** A name in a table that opens what it names; for those who may not, it is only the name. */
export function NameButton({ name, onOpen }: { name: string; onOpen?: (() => void) | undefined }) {
  if (!onOpen) return <span className="cut">{name}</span>;
  return (
    <button type="button" className={`asLink ${classes.name}`} onClick={onOpen}>
      {name}
    </button>
  );
}
