package access

import (
	"slices"
	"testing"
)

// may is what each role may: the table that the code is held to.
var may = map[Role][]Permission{
	Viewer:   {Read},
	Operator: {Read, Run},
	Admin:    {Read, Run, Edit, Destroy, Audit, Manage, Inspect},
	Owner:    {Read, Run, Edit, Destroy, Audit, Manage, Inspect, Own},
	"":       nil,
	"root":   nil,
}

// single are the permissions that can be had on one connection.
var single = []Permission{Read, Run, Edit, Destroy}

// TestCan walks every role × grant × binding × permission × place.
func TestCan(t *testing.T) {
	t.Parallel()
	roles := append(Roles(), "", "root")
	bindings := [][]string{nil, {}, {"con_a"}, {"con_b"}, {"con_a", "con_b"}}
	checked := 0
	for _, role := range roles {
		for _, grant := range roles {
			for _, only := range bindings {
				for _, known := range []bool{true, false} {
					p := Principal{ID: "usr_1", Role: role, Grants: map[string]Role{"con_a": grant}, Only: only}
					if !known {
						p.ID = ""
					}
					for _, perm := range append(Permissions(), "", "fly") {
						for _, place := range []string{"", "con_a", "con_b"} {
							has := slices.Contains(may[role], perm) ||
								place == "con_a" && slices.Contains(single, perm) && slices.Contains(may[grant], perm)
							reachable := len(only) == 0 || slices.Contains(only, place) && slices.Contains(single, perm)
							if got := Can(p, perm, place); got != (known && has && reachable) {
								t.Errorf("known %v, role %q, grant on con_a %q, bound to %v: %q on %q is %v", known, role, grant, only, perm, place, got)
							}
							checked++
						}
					}
				}
			}
		}
	}
	if want := 6 * 6 * 5 * 2 * 10 * 3; checked != want {
		t.Errorf("%d cases, want %d", checked, want)
	}
}

func TestReach(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		p    Principal
		perm Permission
		all  bool
		ids  []string
	}{
		"viewer reads all":       {Principal{ID: "u", Role: Viewer}, Read, true, nil},
		"viewer runs some":       {Principal{ID: "u", Role: Viewer, Grants: map[string]Role{"b": Operator, "a": Admin, "c": Viewer}}, Run, false, []string{"a", "b"}},
		"nobody":                 {Principal{Role: Owner}, Read, false, nil},
		"bound":                  {Principal{ID: "t", Role: Admin, Only: []string{"b", "a", "a"}}, Edit, false, []string{"a", "b"}},
		"bound with grants":      {Principal{ID: "t", Role: Viewer, Only: []string{"a"}, Grants: map[string]Role{"a": Admin, "b": Admin}}, Edit, false, []string{"a"}},
		"what nobody has on one": {Principal{ID: "u", Role: Viewer, Grants: map[string]Role{"a": Admin}}, Manage, false, nil},
	} {
		if all, ids := Reach(c.p, c.perm); all != c.all || !slices.Equal(ids, c.ids) {
			t.Errorf("%s: %v, %v", name, all, ids)
		}
	}
}

func TestRolesAreOrdered(t *testing.T) {
	t.Parallel()
	all := Roles()
	for i, a := range all {
		for j, b := range all {
			if a.AtLeast(b) != (i <= j) || least(a, b) != all[max(i, j)] {
				t.Errorf("%s and %s", a, b)
			}
		}
		if Role("").AtLeast(a) || Role("x").AtLeast("") || least(a, "") != "" {
			t.Errorf("no role is a role, beside %s", a)
		}
		if r, err := ParseRole(string(a)); err != nil || r != a {
			t.Errorf("%s: %v", a, err)
		}
	}
	if _, err := ParseRole("Owner"); err == nil {
		t.Error("Owner is no role")
	}
}
