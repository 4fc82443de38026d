package store

import "context"

// Kinds are the connector of a source, the kind of a destination, or both, of a
// connection; "" for what there is none of.
type Kinds struct{ Source, Destination string }

// Kinds returns the kinds of connections, sources and destinations by their ids;
// those that are not there are left out.
func (s *Store) Kinds(ctx context.Context, ids ...string) (map[string]Kinds, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	c, found, list := s.reader(), map[string]Kinds{}, listed(ids)
	err := c.each(ctx, "SELECT c.id, s.kind, d.kind FROM connections c JOIN sources s ON s.id = c.source_id JOIN destinations d ON d.id = c.destination_id WHERE "+c.dialect.among("c.id")+
		" UNION ALL SELECT id, kind, '' FROM sources WHERE "+c.dialect.among("id")+" UNION ALL SELECT id, '', kind FROM destinations WHERE "+c.dialect.among("id"),
		[]any{list, list, list}, func(row scanner) error {
			var id string
			var k Kinds
			err := row(&id, &k.Source, &k.Destination)
			found[id] = k
			return err
		})
	return found, failed("get kinds", err)
}
