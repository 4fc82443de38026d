import { bytes, count, rate, short } from './format';

interface Props {
  value: number | null | undefined;
  unit?: 'rows' | 'bytes' | 'rows/s' | 'bytes/s' | 'plain';
  /** All digits rather than three figures. */
  exact?: boolean;
}

/** A number with its unit; the exact one is in the tooltip. */
export function Num({ value, unit = 'plain', exact }: Props) {
  const text =
    unit === 'bytes' ? bytes(value) : unit === 'rows/s' ? rate(value) : unit === 'bytes/s' ? `${bytes(value)}/s` : `${exact ? count(value) : short(value)}${unit === 'rows' ? ' rows' : ''}`;
  return (
    <span className="num" title={value === null || value === undefined ? undefined : `${count(Math.round(value))}${unit === 'plain' ? '' : ` ${unit}`}`}>
      {text}
    </span>
  );
}
