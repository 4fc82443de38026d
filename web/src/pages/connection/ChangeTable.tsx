import classes from './Change.module.css';

export interface Change {
  field: string;
  before: string;
  after: string;
}

/** Fields with how they were and become. */
export function ChangeTable({ changes, label = 'Changes' }: { changes: readonly Change[]; label?: string }) {
  return (
    <div className={classes.frame} role="region" aria-label={label} tabIndex={0}>
      <table className={classes.table}>
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          {changes.map((c) => (
            <tr key={c.field}>
              <th scope="row">{c.field}</th>
              <td className={classes.before}>{c.before || <span className="faint">nothing</span>}</td>
              <td className={classes.after}>{c.after || <span className="faint">nothing</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
