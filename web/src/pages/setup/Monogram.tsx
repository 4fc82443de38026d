import classes from './Monogram.module.css';

/** Two letters for a kind of source or destination; the tint goes by the name. */
export function Monogram({ name, small }: { name: string; small?: boolean }) {
  const words = name.match(/[A-Z]?[a-z]+|[A-Z]+|\d+/g) ?? [name];
  const letters = words.length > 1 ? words[0].slice(0, 1) + words[1]!.slice(0, 1) : name.slice(0, 2);
  const tint = [...name].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 9973, 7) % 5;
  return (
    <span className={classes.mark} data-tint={tint} data-small={small || undefined} aria-hidden>
      {letters}
    </span>
  );
}
