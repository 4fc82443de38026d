import { createElement, useMemo } from 'react';
import { parse, type Block, type Inline } from './parseMarkdown';
import classes from './Markdown.module.css';

/** A text of Markdown as elements: nothing of it is ever taken for HTML. */
export function Markdown({ text }: { text: string }) {
  const blocks = useMemo(() => parse(text), [text]);
  return (
    <div className={classes.text}>
      {blocks.map((b, n) => (
        <Piece key={n} block={b} />
      ))}
    </div>
  );
}

function Piece({ block: b }: { block: Block }) {
  switch (b.kind) {
    case 'heading':
      return createElement(`h${Math.max(3, b.level)}`, null, <Line text={b.text} />);
    case 'paragraph':
      return (
        <p>
          <Line text={b.text} />
        </p>
      );
    case 'quote':
      return (
        <blockquote>
          <Line text={b.text} />
        </blockquote>
      );
    case 'code':
      return (
        <pre>
          <code>{b.text}</code>
        </pre>
      );
    case 'list':
      return createElement(
        b.ordered ? 'ol' : 'ul',
        null,
        b.items.map((item, n) => (
          <li key={n}>
            <Line text={item} />
          </li>
        )),
      );
    case 'table':
      return (
        <table>
          <thead>
            <tr>
              {b.head.map((c, n) => (
                <th key={n} scope="col">
                  <Line text={c} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {b.rows.map((row, n) => (
              <tr key={n}>
                {row.map((c, m) => (
                  <td key={m}>
                    <Line text={c} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      );
  }
}

function Line({ text }: { text: readonly Inline[] }) {
  return text.map((p, n) => {
    switch (p.kind) {
      case 'code':
        return <code key={n}>{p.text}</code>;
      case 'strong':
        return <strong key={n}>{p.text}</strong>;
      case 'em':
        return <em key={n}>{p.text}</em>;
      case 'link':
        return (
          <a key={n} href={p.href} {...(p.href.startsWith('#') ? {} : { target: '_blank', rel: 'noreferrer noopener' })}>
            {p.text}
          </a>
        );
      default:
        return p.text;
    }
  });
}
