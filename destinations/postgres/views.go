package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
)

// A view is how to make a view again. Names in it are quoted.
type view struct {
	name     string
	kind     string
	create   string // the view itself, with its options
	extras   string // owner, comments and grants
	triggers bool
	depth    int // it is made after all of a lower one
}

// dependentViews are the views on a table, and those on them, in the order in
// which they can be made.
type dependentViews []view

const dependentsSQL = `WITH RECURSIVE deps(oid, depth) AS (
	SELECT r.ev_class, 1 FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
	WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass($1) AND r.ev_class <> d.refobjid
	UNION SELECT r.ev_class, deps.depth + 1 FROM deps JOIN pg_depend d ON d.refobjid = deps.oid AND d.refclassid = 'pg_class'::regclass
	JOIN pg_rewrite r ON r.oid = d.objid WHERE d.classid = 'pg_rewrite'::regclass AND r.ev_class <> d.refobjid)
SELECT format('%I.%I', n.nspname, c.relname), c.relkind::text, CASE WHEN $2 THEN pg_get_viewdef(c.oid) ELSE '' END, coalesce(array_to_string(c.reloptions, ', '), ''),
	EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal) OR (SELECT count(*) > 1 FROM pg_rewrite WHERE ev_class = c.oid), d.depth
FROM (SELECT oid, max(depth) AS depth FROM deps GROUP BY oid) d JOIN pg_class c ON c.oid = d.oid JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY d.depth, c.oid`

// dependents returns the views that depend on the table. To read how to make them
// locks all that they read, for others to read only, until the transaction ends.
func dependents(ctx context.Context, tx sqlTx, table string, definitions bool) (dependentViews, error) {
	var views dependentViews
	err := tx.Query(ctx, dependentsSQL, []any{table, definitions}, func(scan func(...any) error) error {
		var v view
		var definition, options string
		if err := scan(&v.name, &v.kind, &definition, &options, &v.triggers, &v.depth); err != nil {
			return err
		}
		if options != "" {
			options = " WITH (" + options + ")"
		}
		v.create = "CREATE VIEW " + v.name + options + " AS " + strings.TrimSuffix(strings.TrimSpace(definition), ";")
		views = append(views, v)
		return nil
	})
	for i := range views {
		if err == nil && definitions {
			views[i].extras, err = extras(ctx, tx, views[i].name, "VIEW", views[i].name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the views on the table: %w", err)
	}
	return views, nil
}

// and returns the views of both, which may have some in common.
func (v dependentViews) and(others dependentViews) dependentViews {
	for _, o := range others {
		if i := slices.IndexFunc(v, func(one view) bool { return one.name == o.name }); i < 0 {
			v = append(v, o)
		} else {
			v[i].depth = max(v[i].depth, o.depth)
		}
	}
	slices.SortStableFunc(v, func(a, b view) int { return a.depth - b.depth })
	return v
}

// lasting names the first dependent that cannot be made again, or nothing.
func (v dependentViews) lasting() string {
	for _, one := range v {
		if one.kind != "v" || one.triggers {
			return one.name
		}
	}
	return ""
}

// refused returns the error of a change that a dependent stands in the way of.
func (v dependentViews) refused() error {
	if name := v.lasting(); name != "" {
		return sluice.Errorf(sluice.Config, "postgres_dependents", "change a column's type",
			"drop "+name+", let the sync run, and make it again", "%s depends on the column and cannot be made again by Sluice", name)
	}
	return nil
}

func (v dependentViews) drop() string {
	var b strings.Builder
	for i := len(v) - 1; i >= 0; i-- {
		b.WriteString("DROP VIEW " + v[i].name + ";")
	}
	return b.String()
}

func (v dependentViews) create() string {
	var b strings.Builder
	for _, one := range v {
		b.WriteString(one.create + ";" + one.extras)
	}
	return b.String()
}

const extrasSQL = `WITH rel AS (SELECT * FROM pg_class WHERE oid = to_regclass($1)),
grants AS (
	SELECT a.grantee, a.privilege_type, a.is_grantable, NULL::text AS col FROM rel, aclexplode(rel.relacl) a
	UNION ALL SELECT a.grantee, a.privilege_type, a.is_grantable, quote_ident(t.attname) FROM rel JOIN pg_attribute t ON t.attrelid = rel.oid AND NOT t.attisdropped, aclexplode(t.attacl) a)
SELECT s FROM (
	SELECT 1 AS n, format('ALTER %s %s OWNER TO %I', $2::text, $3::text, pg_get_userbyid(relowner)) AS s FROM rel WHERE pg_get_userbyid(relowner) <> current_user
	UNION ALL SELECT 2, format('COMMENT ON %s %s IS %L', CASE WHEN d.objsubid = 0 THEN $2::text ELSE 'COLUMN' END,
		$3::text || CASE WHEN d.objsubid = 0 THEN '' ELSE '.' || quote_ident(t.attname) END, d.description)
	FROM rel JOIN pg_description d ON d.objoid = rel.oid AND d.classoid = 'pg_class'::regclass LEFT JOIN pg_attribute t ON t.attrelid = rel.oid AND t.attnum = d.objsubid
	UNION ALL SELECT 3, format('GRANT %s%s ON %s TO %s%s', privilege_type, coalesce(' (' || col || ')', ''), $3::text,
		CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
	FROM grants WHERE grantee = 0 OR EXISTS (SELECT FROM pg_roles WHERE oid = grantee)
) x ORDER BY n`

// extras returns the statements that give target, of that kind, the owner,
// comments and grants that relation has; the owner comes last, since the rest
// needs the rights of the present one.
func extras(ctx context.Context, tx sqlTx, relation, kind, target string) (string, error) {
	var owner, rest strings.Builder
	err := tx.Query(ctx, extrasSQL, []any{relation, kind, target}, func(scan func(...any) error) error {
		var s string
		if err := scan(&s); err != nil {
			return err
		}
		if strings.HasPrefix(s, "ALTER ") {
			owner.WriteString(s + ";")
		} else {
			rest.WriteString(s + ";")
		}
		return nil
	})
	return rest.String() + owner.String(), err
}
