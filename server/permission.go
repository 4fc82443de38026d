package server

import "github.com/sluicehq/sluice/access"

// A rule says who may use an operation.
type rule struct {
	public bool              // everyone
	self   bool              // everyone who is signed in, about themselves
	need   access.Permission // else: who has this
	on     string            // the path parameter that names what it is about: connection, sync, drift or plan; "": nothing in particular
	some   bool              // who has it on some connection, too; the handler shows those only
}

// words says it for the document.
func (r rule) words() string {
	switch {
	case r.public:
		return "nothing; anyone may"
	case r.self:
		return "to be signed in"
	case r.on != "" || r.some:
		return "the permission to " + string(r.need) + ", in general or on the connection"
	default:
		return "the permission to " + string(r.need)
	}
}

var (
	anyone   = rule{public: true}
	oneself  = rule{self: true}
	readAll  = rule{need: access.Read}
	readSome = rule{need: access.Read, some: true}
	runAll   = rule{need: access.Run}
	runSome  = rule{need: access.Run, some: true}
	editAll  = rule{need: access.Edit}
	manage   = rule{need: access.Manage}
)

func onOne(param string, need access.Permission) rule { return rule{need: need, on: param} }

// permissions says for every operation, and for the guarded routes beside the
// API, who may. Tests walk it against the router: each route has a row, each row
// a route.
var permissions = map[string]rule{
	"get-sign-in": anyone, "sign-in": anyone, "claim-owner": anyone, "use-password-link": anyone, "start-oidc": anyone, "finish-oidc": anyone,
	"sign-out": oneself, "get-me": oneself, "update-me": oneself, "change-password": oneself, "list-sessions": oneself, "end-sessions": oneself,

	"list-connectors": readSome, "get-connector": readSome, "list-destination-kinds": readSome, "get-destination-kind": readSome,

	"list-sources": readAll, "get-source": readAll, "list-source-streams": readAll,
	"create-source": editAll, "update-source": editAll, "delete-source": editAll, "check-source": editAll, "discover-source": editAll,
	"list-destinations": readAll, "get-destination": readAll,
	"create-destination": editAll, "update-destination": editAll, "delete-destination": editAll, "check-destination": editAll,
	"list-operations": readAll, "get-operation": readAll, "cancel-operation": editAll,
	"check-source-settings": editAll, "check-destination-settings": editAll,

	"list-connections": readSome, "get-connection": onOne("connection", access.Read),
	"create-connection": editAll, "update-connection": onOne("connection", access.Edit), "delete-connection": onOne("connection", access.Destroy),
	"pause-connection": onOne("connection", access.Run), "resume-connection": onOne("connection", access.Run),
	"sync-connection": onOne("connection", access.Run), "cancel-connection": onOne("connection", access.Run),
	"list-streams": onOne("connection", access.Read), "update-streams": onOne("connection", access.Edit),
	"get-state": onOne("connection", access.Read), "list-states": onOne("connection", access.Read), "diff-states": onOne("connection", access.Read),
	"get-schema": onOne("connection", access.Read), "list-schema-versions": onOne("connection", access.Read),
	"list-drift": readSome, "get-drift": onOne("drift", access.Read), "approve-drift": onOne("drift", access.Edit), "reject-drift": onOne("drift", access.Edit),
	"plan-resync": onOne("connection", access.Destroy), "plan-restore": onOne("connection", access.Destroy), "plan-delete": onOne("connection", access.Destroy),
	"list-plans": readAll, "get-plan": onOne("plan", access.Read), "execute-plan": onOne("plan", access.Destroy),

	"list-syncs": readSome, "get-sync": onOne("sync", access.Read), "list-sync-streams": onOne("sync", access.Read),
	"get-sync-log": onOne("sync", access.Read), "watch-sync-log": onOne("sync", access.Read), "cancel-sync": onOne("sync", access.Run),
	"list-events": readSome, "watch-events": readSome,

	"list-users": manage, "get-user": manage, "create-user": manage, "create-password-link": manage, "update-user": manage, "delete-user": manage,
	"list-tokens": oneself, "create-token": oneself, "revoke-token": oneself,
	"list-user-grants": manage, "list-connection-grants": manage, "set-grant": manage, "delete-grant": manage,
	"list-audit": {need: access.Audit},

	"get-fleet": readSome, "get-fleet-hours": readSome, "get-fleet-days": readSome, "get-connection-days": onOne("connection", access.Read), "list-timeline": onOne("connection", access.Read),
	"list-regions": readAll, "list-workers": readAll, "get-worker": readAll, "get-queue": readAll,
	"list-runbooks": readSome, "get-runbook": readSome,
	"get-system": readSome, "list-settings": {need: access.Inspect},

	"get-health": readSome, "get-health-report": readSome, "get-connection-health": onOne("connection", access.Read), "list-connection-health-history": onOne("connection", access.Read),
	"get-health-policy": readAll, "put-health-policy": editAll,
	"list-incidents": readSome, "get-incident": readSome, "list-incident-connections": readSome, "list-incident-events": readSome, "get-incident-review": readSome,
	"update-incident": runSome, "acknowledge-incident": runSome, "comment-on-incident": runSome, "resolve-incident": runSome, "merge-incident": runSome, "split-incident": runSome,
	"put-incident-review": runSome, "list-tickets": readSome, "get-ticket": readSome,
	"list-tracker-kinds": readAll, "list-trackers": readAll, "get-tracker": readAll, "create-tracker": editAll, "update-tracker": editAll, "delete-tracker": editAll, "test-tracker": editAll,
	"list-channel-kinds": readAll, "list-channels": readAll, "get-channel": readAll, "create-channel": editAll, "update-channel": editAll, "delete-channel": editAll, "test-channel": editAll,
	"list-alerts": readSome, "get-alert": readSome, "list-alert-rules": readAll, "get-alert-rule": readAll, "create-alert-rule": editAll, "update-alert-rule": editAll, "delete-alert-rule": editAll,
	"get-alert-routes": readAll, "put-alert-routes": editAll,
	"list-silences": readAll, "get-silence": readAll, "create-silence": runAll, "update-silence": runAll, "delete-silence": runAll,
	"list-deliveries": readAll, "get-delivery": readAll, "retry-delivery": runAll,
	"get-on-call": readSome, "list-rotas": readAll, "get-rota": readAll, "list-shifts": readAll, "preview-rota": readAll, "create-rota": editAll, "update-rota": editAll, "delete-rota": editAll,
	"get-wall": readAll, "get-wall-message": readAll, "wall-page": readAll, "get-wall-settings": readAll, "put-wall-settings": editAll, "send-wall": runAll,

	"metrics": readAll, "pprof": {need: access.Inspect},
}
