import type { Schemas } from '../../api/client';
import { count } from '../../ui/format';
import classes from './Change.module.css';
import { shapeDiff } from './shape';

type Shape = Schemas['Shape'];

const words = { added: 'new', removed: 'gone', changed: 'changed', same: '' };

/** A stream before and after, column by column; what stayed the same only on demand. */
export function ShapeDiff({ before, after, all }: { before?: Shape | undefined; after?: Shape | undefined; all?: boolean }) {
  const diff = shapeDiff(before, after);
  const shown = all ? diff.columns : diff.columns.filter((c) => c.change !== 'same');
  const same = diff.columns.length - shown.length;
  return (
    <div className={classes.frame} role="region" aria-label="Columns before and after" tabIndex={0}>
      <table className={classes.table}>
        <thead>
          <tr>
            <th scope="col">Column</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
            <th scope="col">Change</th>
          </tr>
        </thead>
        <tbody>
          {diff.key && (
            <tr data-change="changed">
              <th scope="row">primary key</th>
              <td className={classes.before}>{diff.key.before || <span className="faint">none</span>}</td>
              <td className={classes.after}>{diff.key.after || <span className="faint">none</span>}</td>
              <td>changed</td>
            </tr>
          )}
          {shown.map((c) => (
            <tr key={c.name} data-change={c.change}>
              <th scope="row">{c.name}</th>
              <td className={classes.before}>{c.before ?? <span className="faint">–</span>}</td>
              <td className={classes.after}>{c.after ?? <span className="faint">–</span>}</td>
              <td>{words[c.change]}</td>
            </tr>
          ))}
          {same > 0 && (
            <tr>
              <td colSpan={4} className="dim">
                {count(same)} {same === 1 ? 'column is' : 'columns are'} as before
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}
