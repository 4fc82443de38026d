package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicehq/sluice"
)

// Formats and compressions.
const (
	Auto    = "auto"
	CSVFile = "csv"
	TSV     = "tsv"
	JSON    = "json"
	JSONL   = "jsonl"
	Parquet = "parquet"
	Gzip    = "gzip"
	Zstd    = "zstd"
)

// headBytes is how much of a file is looked at before it is read.
const headBytes = 256 << 10

// An Opened is an open file. Reading it gives its content, decompressed.
type Opened struct {
	File
	Compression string // None, Gzip or Zstd
	raw         io.ReadCloser
	r           io.Reader
	zstd        *zstd.Decoder
	head        []byte // still to be read
	whole       bool   // head is all there is
}

// Open opens a file. Compression is Auto, None, Gzip or Zstd.
func (c *Client) Open(ctx context.Context, f File, compression, authorization string) (*Opened, error) {
	o := &Opened{File: f}
	if f.remote {
		b, err := c.open(ctx, f, authorization)
		if err != nil {
			return nil, err
		}
		o.raw, o.Fingerprint, o.Modified, o.Size = b, b.fingerprint(), b.modified(), max(b.response.ContentLength, 0)
	} else {
		location, err := c.policy.CheckFile(f.location)
		if err != nil {
			return nil, err
		}
		file, err := os.Open(location)
		if err != nil {
			return nil, localError("open "+f.Name, err)
		}
		o.raw = file
	}
	if err := o.begin(compression); err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

func (o *Opened) begin(compression string) error {
	start := make([]byte, 4)
	n, err := io.ReadFull(o.raw, start)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return o.failed(err)
	}
	o.Compression = compression
	if compression == Auto || compression == "" {
		o.Compression = compressionOf(start[:n])
	}
	rest := io.MultiReader(bytes.NewReader(start[:n]), o.raw)
	switch o.Compression {
	case Gzip:
		o.r, err = gzip.NewReader(rest)
	case Zstd:
		o.zstd, err = zstd.NewReader(rest, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(64<<20))
		o.r = o.zstd
	default:
		o.Compression, o.r, err = None, rest, nil
	}
	if err != nil {
		return o.failed(err)
	}
	o.head = make([]byte, headBytes)
	n, err = io.ReadFull(o.r, o.head)
	o.head = o.head[:n]
	if o.whole = err == io.EOF || err == io.ErrUnexpectedEOF; !o.whole && err != nil {
		return o.failed(err)
	}
	if what := foreign(o.head); what != "" {
		return sluice.Errorf(sluice.Config, "file_content", "read "+o.Name, "unpack archives, and name the address or path of the data itself", "it is %s, not data", what)
	}
	if o.Compression == None && !o.remote {
		o.r = o.raw // its place is known: it can be moved
	}
	return nil
}

func compressionOf(start []byte) string {
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return Gzip
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return Zstd
	case len(start) == 4 && start[0]&0xf0 == 0x50 && bytes.Equal(start[1:], []byte{0x2a, 0x4d, 0x18}):
		return Zstd // a frame to be skipped, which parallel writers begin with
	}
	return None
}

// foreign tells what a file is that is none of the formats, but that would pass
// for CSV, as anything does; such as the page that asks people to log in.
func foreign(head []byte) string {
	for start, what := range map[string]string{"PK\x03\x04": "a zip archive", "BZh91AY&SY": "compressed by bzip2", "\xfd7zXZ\x00": "compressed by xz", "7z\xbc\xaf\x27\x1c": "a 7z archive"} {
		if bytes.HasPrefix(head, []byte(start)) {
			return what
		}
	}
	page := bytes.ToLower(bytes.TrimSpace(head[:min(len(head), 512)]))
	if bytes.HasPrefix(page, []byte("<!doctype html")) || bytes.HasPrefix(page, []byte("<html")) {
		return "a web page"
	}
	return ""
}

// failed gives an error of reading its class.
func (o *Opened) failed(err error) error {
	if _, ok := errors.AsType[*sluice.Error](err); ok || errors.Is(err, context.Canceled) {
		return err
	}
	if o.Compression == None {
		return localError("read "+o.Name, err)
	}
	return sluice.Errorf(sluice.Data, "file_compression", "decompress "+o.Name, "the file is damaged or cut short: fetch or write it again, or set compression", "%w", err)
}

// Head returns the first bytes, at most headBytes, and whether they are all.
// It must be called before Read.
func (o *Opened) Head() (head []byte, whole bool) { return o.head, o.whole }

// Read reads the content, decompressed.
func (o *Opened) Read(p []byte) (int, error) {
	if len(o.head) > 0 {
		n := copy(p, o.head)
		o.head = o.head[n:]
		return n, nil
	}
	if o.whole {
		return 0, io.EOF
	}
	n, err := o.r.Read(p)
	if err != nil && err != io.EOF {
		err = o.failed(err)
	}
	return n, err
}

// Skip passes n bytes, without reading them where the file allows.
func (o *Opened) Skip(n int64) error {
	k := min(n, int64(len(o.head)))
	o.head, n = o.head[k:], n-k
	if n == 0 {
		return nil
	}
	if f, ok := o.r.(*os.File); ok {
		_, err := f.Seek(n, io.SeekCurrent)
		return err
	}
	_, err := io.CopyN(io.Discard, o, n)
	if err == io.EOF {
		return nil // the next read says so
	}
	return err
}

// Close closes the file.
func (o *Opened) Close() {
	if o.zstd != nil {
		o.zstd.Close()
	}
	_ = o.raw.Close()
}

// FormatOf tells the format of a file by its name, and else by its first bytes.
func FormatOf(name string, head []byte) string {
	name = strings.ToLower(name)
	for _, ext := range []string{".gz", ".gzip", ".zst", ".zstd"} {
		name = strings.TrimSuffix(name, ext)
	}
	switch path.Ext(name) {
	case ".csv", ".psv":
		return CSVFile
	case ".tsv", ".tab":
		return TSV
	case ".jsonl", ".ndjson":
		return JSONL
	case ".json":
		return JSON
	case ".parquet", ".pq":
		return Parquet
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte{0xef, 0xbb, 0xbf}), " \t\r\n")
	switch {
	case bytes.HasPrefix(head, []byte("PAR1")):
		return Parquet
	case bytes.HasPrefix(head, []byte("{")), bytes.HasPrefix(head, []byte("[")):
		return JSON
	}
	return CSVFile
}

// A Text is the content of a text file as UTF-8, without a byte order mark.
type Text struct {
	Head     []byte // the first bytes, to look at
	Whole    bool   // Head is all
	Encoding string
	rest     io.Reader
	left     []byte
	from     *Opened // where offsets are those of the file
}

// Text decodes a file; encoding is a name of Encodings, or empty to find it out.
func (o *Opened) Text(encoding string) (*Text, error) {
	head, whole := o.Head()
	if encoding == "" || encoding == Auto {
		encoding = SniffEncoding(head)
	}
	t := &Text{Whole: whole, Encoding: encoding}
	if encodings[encoding] == nil {
		n := len(head) - len(bytes.TrimPrefix(head, []byte{0xef, 0xbb, 0xbf}))
		t.Head, t.from = head[n:], o
		return t, o.Skip(int64(n))
	}
	t.rest = Decode(o, encoding)
	t.left = make([]byte, headBytes)
	n, err := io.ReadFull(t.rest, t.left)
	t.left = t.left[:n]
	t.Head = t.left
	t.Whole = err == io.EOF || err == io.ErrUnexpectedEOF
	if err != nil && !t.Whole {
		return nil, fmt.Errorf("decode %s as %s: %w", o.Name, encoding, err)
	}
	return t, nil
}

// Read reads the text.
func (t *Text) Read(p []byte) (int, error) {
	if t.from != nil {
		return t.from.Read(p)
	}
	if len(t.left) > 0 {
		n := copy(p, t.left)
		t.left = t.left[n:]
		return n, nil
	}
	return t.rest.Read(p)
}

// Skip passes n bytes of the text.
func (t *Text) Skip(n int64) error {
	if t.from != nil {
		return t.from.Skip(n)
	}
	_, err := io.CopyN(io.Discard, t, n)
	return eofIsNil(err)
}
