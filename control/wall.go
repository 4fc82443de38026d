package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluicehq/sluice/health/wall"
	"github.com/sluicehq/sluice/store"
)

// WallSpec is the settings of the digest as users write them.
type WallSpec struct {
	Zone     string   `json:"zone,omitempty" doc:"IANA name of the zone of the times, and of those in the text; left out: UTC." example:"Europe/Berlin"`
	Times    []string `json:"times" required:"true" doc:"When it is sent, every day; none: never." example:"[\"08:00\",\"16:00\"]"`
	Quiet    bool     `json:"quiet,omitempty" doc:"Whether it is left out when nothing fails." example:"true"`
	Channels []string `json:"channels" required:"true" doc:"Ids of the channels that it goes to." example:"[\"chn_01hx5k2m8q4z7w9c3v6b\"]"`
}

// WallSettings returns when the digest is sent and where to, and the version, 0
// where nobody has set it.
func (c *Control) WallSettings(ctx context.Context) (spec WallSpec, version int64, err error) {
	var w WallSettings
	version, err = c.setting(ctx, WallKey, &w)
	spec = WallSpec{Zone: w.Zone, Times: w.Times, Quiet: w.Quiet, Channels: w.Channels}
	if spec.Times == nil {
		spec.Times = []string{}
	}
	if spec.Channels == nil {
		spec.Channels = []string{}
	}
	return spec, version, err
}

// PutWallSettings replaces the settings of the digest; version is as in PutReview.
func (c *Control) PutWallSettings(ctx context.Context, who Actor, version int64, want WallSpec) (WallSpec, int64, error) {
	const op = "change the settings of the wall"
	before, _, err := c.WallSettings(ctx)
	if err != nil {
		return before, 0, err
	}
	if err := checkedSpec(&want, op); err != nil {
		return before, 0, err
	}
	w := WallSettings{Schedule: wall.Schedule{Zone: want.Zone, Times: want.Times, Quiet: want.Quiet}, Channels: want.Channels}
	var faults Faults
	if err := w.Check(); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			place, message, _ := strings.Cut(line, ": ")
			faults.add(place, "%s", message)
		}
	}
	if err := c.checkChannels(ctx, "channels", want.Channels, &faults); err != nil {
		return before, 0, err
	}
	if err := faults.err(op); err != nil {
		return before, 0, err
	}
	version, err = c.putSetting(ctx, who, WallKey, version, w, before, want)
	return want, version, err
}

func (c *Control) checkChannels(ctx context.Context, at string, ids []string, faults *Faults) error {
	for i, id := range ids {
		if _, err := c.store.Channel(ctx, id); errors.Is(err, store.ErrNotFound) {
			faults.add(fmt.Sprintf("%s[%d]", at, i), "names no channel")
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Wall returns the digest as it is now, and the zone of its readers.
func (c *Control) Wall(ctx context.Context) (w wall.Wall, zone *time.Location, err error) {
	if c.o.Tracking == nil {
		return w, nil, fail(CodeNotTracking, "make the wall", "start the server with its health tracker", "this server does not track health")
	}
	var set WallSettings
	if _, err := c.setting(ctx, WallKey, &set); err != nil {
		return w, nil, err
	}
	w, err = c.o.Tracking.Wall(ctx)
	return w, set.Location(), err
}

// SendWall sends the digest now to where its settings say, and returns how many
// deliveries that makes.
func (c *Control) SendWall(ctx context.Context, who Actor) (posted int, err error) {
	if c.o.Tracking == nil {
		return 0, fail(CodeNotTracking, "send the wall", "start the server with its health tracker", "this server does not track health")
	}
	key := store.NewID("now_", c.store.Now())
	err = c.store.Transact(ctx, func(tx *store.Store) (err error) {
		if posted, err = c.o.Tracking.SendWall(ctx, tx, key); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "wall.send", kind: "wall", id: key, after: map[string]int{"deliveries": posted}})
	})
	return posted, err
}
