package store

import "context"

// CountFreshness counts the connections by freshness.
func (s *Store) CountFreshness(ctx context.Context) (map[Freshness]int64, error) {
	counts := map[Freshness]int64{}
	err := s.reader().each(ctx, "SELECT freshness, count(*) FROM connection_status GROUP BY freshness", nil, func(row scanner) error {
		var f Freshness
		var n int64
		err := row(&f, &n)
		counts[f] = n
		return err
	})
	return counts, failed("count fresh connections", err)
}
