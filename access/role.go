package access

import (
	"slices"

	"github.com/sluicehq/sluice"
)

// A Role is what someone may do everywhere, or on one connection. Each role may
// all that the ones after it may.
type Role string

// The roles.
const (
	Owner    Role = "owner"    // everything, other owners included
	Admin    Role = "admin"    // sets up, and looks after people
	Operator Role = "operator" // runs and pauses
	Viewer   Role = "viewer"   // looks
)

// Roles returns all roles, the mightiest first.
func Roles() []Role { return []Role{Owner, Admin, Operator, Viewer} }

// ParseRole returns the role of that name. Its error has class Config and code
// role_unknown.
func ParseRole(name string) (Role, error) {
	if r := Role(name); slices.Contains(Roles(), r) {
		return r, nil
	}
	return "", sluice.Errorf(sluice.Config, "role_unknown", "", "use one of owner, admin, operator and viewer", "there is no role %q", name)
}

// rank orders roles; that of no role is 0.
func (r Role) rank() int {
	i := slices.Index(Roles(), r)
	if i < 0 {
		return 0
	}
	return len(Roles()) - i
}

// AtLeast reports whether r may all that other may.
func (r Role) AtLeast(other Role) bool { return r.rank() >= other.rank() && r.rank() > 0 }

// least returns the role that may less.
func least(a, b Role) Role {
	if a.rank() < b.rank() {
		return a
	}
	return b
}

// A Permission is a kind of thing to do. Every operation needs one.
type Permission string

// The permissions. Those from Read to Destroy may be had on single connections.
const (
	Read    Permission = "read"    // see sources, destinations, connections, syncs, logs, events
	Run     Permission = "run"     // sync, cancel, pause and resume
	Edit    Permission = "edit"    // create and change; approve what a source changes
	Destroy Permission = "destroy" // delete, re-sync with replacement, restore a state: what loses or rewrites data
	Audit   Permission = "audit"   // read the audit log
	Manage  Permission = "manage"  // users but owners, grants, and the tokens of others
	Inspect Permission = "inspect" // profiles and other insides of the processes
	Own     Permission = "own"     // owners, and the keys of the secrets
)

// A need is the role that a permission takes, and whether a grant on a connection
// can give it there.
type need struct {
	role   Role
	single bool
}

var needs = map[Permission]need{
	Read:    {Viewer, true},
	Run:     {Operator, true},
	Edit:    {Admin, true},
	Destroy: {Admin, true},
	Audit:   {Admin, false},
	Manage:  {Admin, false},
	Inspect: {Admin, false},
	Own:     {Owner, false},
}

// Permissions returns all permissions.
func Permissions() []Permission {
	return []Permission{Read, Run, Edit, Destroy, Audit, Manage, Inspect, Own}
}

// A Principal is who asks: a user, a token, or the system itself. The zero
// Principal is nobody, and may do nothing. It is a value: what is changed about
// the account counts from the next request on.
type Principal struct {
	ID     string          // of the user or token; "system"
	UserID string          // the user that signed in, or whose token it is; "" where there is none
	Name   string          // for people, and for the audit log
	Role   Role            // what it may everywhere
	Grants map[string]Role // what it may on single connections, by id, where that is more
	Only   []string        // the connections that it is bound to; none: not bound
	CSRF   string          // what changes of this session must bring as X-CSRF-Token; "" for tokens

	session string // hash of the session's cookie
}

// System is Sluice itself, and who works on the machine: `sluice token create`.
var System = Principal{ID: "system", Name: "system", Role: Owner}

// Known reports whether p is somebody.
func (p Principal) Known() bool { return p.ID != "" }

// IsSession reports whether p has signed in with a browser.
func (p Principal) IsSession() bool { return p.session != "" }

// Can reports whether p may do what perm stands for: on the connection of that
// id, or, where connectionID is "", in general. What is in general is not for
// who is bound to connections.
func Can(p Principal, perm Permission, connectionID string) bool {
	need, ok := needs[perm]
	if !ok || !p.Known() {
		return false
	}
	if len(p.Only) > 0 && (connectionID == "" || !need.single || !slices.Contains(p.Only, connectionID)) {
		return false
	}
	if p.Role.AtLeast(need.role) {
		return true
	}
	return need.single && connectionID != "" && p.Grants[connectionID].AtLeast(need.role)
}

// Reach says on which connections p may do what perm stands for: on all, or on
// those of the ids, sorted.
func Reach(p Principal, perm Permission) (all bool, ids []string) {
	if Can(p, perm, "") {
		return true, nil
	}
	for _, id := range p.Only {
		if Can(p, perm, id) {
			ids = append(ids, id)
		}
	}
	for id := range p.Grants {
		if Can(p, perm, id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return false, slices.Compact(ids)
}
