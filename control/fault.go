package control

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/spec"
)

// A Fault is what is wrong with one field of a request.
type Fault struct {
	Location string `json:"location"` // path of the field: "config.auth.token", "streams[3].cursor"
	Message  string `json:"message"`  // what is wrong and what to do; never a value that may be secret
}

// Faults are all that is wrong with a request, found in one go. It is the cause
// of errors with the code "invalid".
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.Location + " " + one.Message
	}
	return strings.Join(lines, "\n")
}

func (f *Faults) add(location, format string, args ...any) {
	*f = append(*f, Fault{location, fmt.Sprintf(format, args...)})
}

// err returns the faults as an error of op, or nil where there are none.
func (f Faults) err(op string) error {
	if len(f) == 0 {
		return nil
	}
	slices.SortStableFunc(f, func(a, b Fault) int { return strings.Compare(a.Location, b.Location) })
	return &sluice.Error{Class: sluice.Config, Code: CodeInvalid, Op: op, Err: f, Hint: "correct the fields named and send the request again"}
}

// FaultsOf returns the fields at fault in err, if it names any.
func FaultsOf(err error) Faults {
	f, _ := errors.AsType[Faults](err)
	return f
}

// oneOf adds a fault where value is not among allowed.
func (f *Faults) oneOf(location, value string, allowed []string) {
	if !slices.Contains(allowed, value) {
		f.add(location, "must be one of %s%s", strings.Join(allowed, ", "), spec.DidYouMean(value, allowed))
	}
}

// Codes of the errors of this package, for translation into answers. Store adds
// its own: name_taken, and its ErrNotFound and ErrConflict.
const (
	CodeInvalid          = "invalid"           // fields are wrong; FaultsOf names them
	CodeUnknownConnector = "unknown_connector" // no such connector or destination kind
	CodeInUse            = "in_use"            // connections depend on the object
	CodeRegionForbidden  = "region_forbidden"  // the policy forbids cross-region connections
	CodePlanUnfit        = "plan_unfit"        // the plan is for something else, or used
	CodePlanExpired      = "plan_expired"
	CodePlanStale        = "plan_stale" // the world has changed since the plan was made
	CodeReference        = "reference_unresolved"
	CodeSecretUnreadable = "secret_unreadable"
	CodeSecretAgain      = "secret_required_again"   // a change leads elsewhere and keeps secrets
	CodeKeyReplaced      = "encryption_key_replaced" // this process must be started again with the new key
	CodeBusy             = "busy"                    // too many operations are under way
	CodeTimeLimit        = "time_limit"
)

func fail(code, op, hint, format string, args ...any) error {
	return sluice.Errorf(sluice.Config, code, op, hint, format, args...)
}
