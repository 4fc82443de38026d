package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/connectors/kit/rest"
	"github.com/sluicehq/sluice/spec"
)

// TasksConfig is what the user fills in; its tags make the set-up form.
type TasksConfig struct {
	BaseURL string `json:"base_url" required:"true" doc:"Address of the API."`
	Token   string `json:"token" required:"true" secret:"true" doc:"A token with read access."`
}

// Tasks is a whole connector: projects, and the tasks of each.
func Tasks() spec.Connector {
	return spec.Define("tasks", "Tasks", func(ctx context.Context, c TasksConfig) (sluice.Source, error) {
		client, err := rest.NewClient(rest.Options{
			Name: "tasks", BaseURL: c.BaseURL, Auth: rest.Bearer(c.Token),
			Limiter: rest.NewLimiter(10, 4), // ten requests a second, four at once
			Egress:  egress.From(ctx),       // where the operator lets sources connect to
		})
		if err != nil {
			return nil, err
		}
		projects := rest.Walk{Request: rest.Request{URL: "projects"}, Records: "projects"}
		return rest.NewSource(client, rest.Request{URL: "me"},
			rest.Endpoint{
				Table:   sluice.Table{Name: sluice.TableName{Name: "projects"}, Key: []string{"id"}},
				Request: projects.Request, Records: projects.Records,
			},
			rest.Endpoint{
				Table: sluice.Table{Name: sluice.TableName{Name: "tasks"}, Key: []string{"id"}, Columns: []sluice.Column{
					{Name: "id", Type: sluice.T(sluice.Int64)},
					{Name: "title", Type: sluice.T(sluice.String), Nullable: true},
					{Name: "updated_at", Type: sluice.T(sluice.TimestampTZ), Nullable: true},
				}},
				// One slice per project, each with a position of its own.
				Slices:      rest.SlicesOf(projects, "project", map[string]string{"project": "id"}),
				Request:     rest.Request{URL: "projects/{project}/tasks"},
				Records:     "tasks",
				Paging:      rest.TokenPages{Path: "next", Param: "after"},
				Incremental: &rest.Incremental{Field: "updated_at", Order: rest.Ascending, Since: "updated_since"},
			},
		)
	})
}

// tasksAPI is what the API answers.
func tasksAPI(w http.ResponseWriter, r *http.Request) {
	answers := map[string]string{
		"/me":               `{"name":"Ada"}`,
		"/projects":         `{"projects":[{"id":7,"name":"Garden"},{"id":8,"name":"House"}]}`,
		"/projects/7/tasks": `{"tasks":[{"id":1,"title":"dig","updated_at":"2024-05-01T10:00:00Z"}],"next":"b"}`,
		"/projects/8/tasks": `{"tasks":[{"id":3,"title":"paint","updated_at":"2024-05-02T10:00:00Z"}]}`,
	}
	if r.URL.Path == "/projects/7/tasks" && r.FormValue("after") == "b" {
		fmt.Fprint(w, `{"tasks":[{"id":2,"title":"water","updated_at":"2024-05-03T10:00:00Z"}]}`)
		return
	}
	fmt.Fprint(w, answers[r.URL.Path])
}

// A connector on the kit: streams are declared, and everything else (retries, rate
// limits, paging, cursors, types, errors) is the kit's.
func ExampleNewSource() {
	api := httptest.NewServer(http.HandlerFunc(tasksAPI))
	defer api.Close()

	ctx := context.Background()
	source, err := Tasks().Open(ctx, fmt.Appendf(nil, `{"base_url":%q,"token":"t"}`, api.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer source.Close()

	streams, err := source.Discover(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range streams {
		sink := &memory{}
		err := source.Read(ctx, sluice.ReadRequest{MaxParts: 1,
			Selections: []sluice.Selection{{Stream: s, Mode: s.Modes[0]}}}, sink)
		fmt.Println(s.Name, s.Modes, err)
		for _, row := range sink.rows {
			fmt.Println(" ", row["project"], row["id"], row["name"], row["title"])
		}
	}
	// Output:
	// projects [full_refresh] <nil>
	//   <nil> 7 Garden <nil>
	//   <nil> 8 House <nil>
	// tasks [incremental full_refresh] <nil>
	//   7 1 <nil> dig
	//   7 2 <nil> water
	//   8 3 <nil> paint
}
