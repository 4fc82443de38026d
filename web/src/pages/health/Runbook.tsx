import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { runbookQuery } from '../../api/health';
import { Load } from '../../ui/States';
import classes from './Incidents.module.css';
import { Markdown } from './Markdown';

export function Page() {
  const { id } = useParams({ from: '/shell/health/runbooks/$id' });
  const query = useQuery(runbookQuery(id));
  return (
    <Load query={query}>
      {(r) => (
        <>
          <div className={classes.head}>
            <Link to="/health/runbooks">Runbooks</Link>
            <h2 className={classes.title}>{r.title}</h2>
          </div>
          <p className="dim">
            For <code>{r.codes.join(', ')}</code>
            {r.connectors && r.connectors.length > 0 ? ` of ${r.connectors.join(', ')}` : ''}
            {r.own ? ', from your own folder' : ''}
          </p>
          <Markdown text={r.text} />
        </>
      )}
    </Load>
  );
}
