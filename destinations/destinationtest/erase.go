package destinationtest

import (
	"context"
	"errors"

	"github.com/sluicehq/sluice"
)

// testErase: what a deleted connection leaves behind is nothing but history.
func testErase(h *harness) {
	eraser, ok := h.d.(interface {
		Erase(ctx context.Context, connection string, tables []sluice.TableName) error
	})
	if !ok {
		h.Skip("the destination removes no tables")
	}
	kept, gone, shadow := h.simple("kept"), h.simple("gone"), h.simple("shadow")
	h.refresh(kept, "r1", true, true, up("1", "a"))
	h.refresh(gone, "r1", true, true, up("1", "a"))
	h.refresh(shadow, "r2", true, false, up("1", "a"))
	late := h.newLoad().must(segment{table: kept, mode: sluice.Append, inserts: true, rows: []row{up("2", "b")}})
	never := sluice.TableName{Schema: h.schema, Name: "never"}
	for range 2 {
		if err := eraser.Erase(h.ctx, h.connection, []sluice.TableName{gone.Name, never}); err != nil {
			h.Fatalf("erase: %v", err)
		}
	}
	for _, t := range []sluice.Target{{Name: gone.Name}, {Name: shadow.Name, Refresh: "r2"}} {
		if _, err := h.d.Describe(h.ctx, t); !isNotFound(err) {
			h.Errorf("%v after it was erased: %v, want ErrNotFound", t, err)
		}
	}
	h.expect(kept, nil, []any{"1", "a"})
	if _, err := h.d.Merge(h.ctx, late.Load); !errors.Is(err, sluice.ErrFenced) {
		h.Errorf("a load of a run that was under way: %v, want ErrFenced", err)
	}
	h.expect(kept, nil, []any{"1", "a"})
	if l := h.begin(h.reopen()); len(l.Positions) > 0 {
		h.Errorf("positions after all was erased: %v", l.Positions)
	}
}
