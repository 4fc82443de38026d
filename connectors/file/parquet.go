package file

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/files"
)

func (r *reading) parquet(ctx context.Context, o *files.Opened, at files.Place) error {
	p, err := openParquet(ctx, r.e, o, r.shape, r.to)
	if err != nil {
		return err
	}
	defer p.Close()
	slog.Info("read file", "stream", r.e.Name, "found", describe(o, files.Parquet, fmt.Sprintf("%d rows", p.Rows())), "from", at.Group)
	if err := p.Resume(ctx, at); err != nil {
		return err
	}
	return r.batches(ctx, o, p.Next, p.Place)
}

func openParquet(ctx context.Context, e entry, o *files.Opened, shape *files.Shape, to sluice.Sink) (*files.ParquetReader, error) {
	if len(e.types) > 0 {
		return nil, sluice.Errorf(sluice.Config, "file_parquet_types", "read "+o.Name, "take types out of the configuration", "Parquet files declare the types of their columns")
	}
	return files.OpenParquet(ctx, o, shape, to)
}

// lookParquet takes the columns of a file into the shape.
func lookParquet(ctx context.Context, e entry, o *files.Opened, shape *files.Shape) (string, error) {
	p, err := openParquet(ctx, e, o, shape, nowhere{})
	if err != nil {
		return "", err
	}
	defer p.Close()
	for _, c := range p.Table().Columns {
		if c.Name != files.FileColumn && c.Name != files.LineColumn {
			shape.Set(c.Name, c.Type)
		}
	}
	return describe(o, files.Parquet, fmt.Sprintf("%d rows", p.Rows())), nil
}
