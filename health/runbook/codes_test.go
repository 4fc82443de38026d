package runbook

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A given is one code, or family of codes with * for what only the running
// program knows, and one place of the sources that gives it.
type given struct {
	code, place string
}

// A sink is a parameter of a function that ends as the code of an error. Form
// holds the parameter's value at hole: "*_" + hole for the connectors' prefix.
type sink struct {
	pkg, fn string
	arg     int
	form    string
}

const hole = "\x00"

// A codePackage is what the search needs of a parsed package.
type codePackage struct {
	dir       string
	files     []*ast.File
	constants map[string]ast.Expr
	structs   map[string]*ast.StructType
}

// A codeFinder follows, in the sources alone, the texts that become the Code of
// an error: literals, constants, variables, tables with a column code, and the
// parameters of functions that make errors.
type codeFinder struct {
	fset     *token.FileSet
	packages map[string]*codePackage // by folder
	sinks    map[sink]bool
	found    map[given]bool
	opaque   map[string]bool // places whose code cannot be told
}

// errorTypes are the structs whose field Code is the code of an error.
var errorTypes = []string{"Error", "Failure", "Problem", "jsonError"}

// testFolders are the folders whose errors no user meets, and this one.
var testFolders = []string{"health/runbook", "bench", "internal/memsource", "internal/chaos", "internal/pgtest", "internal/realbinary", "internal/roundtrip",
	"internal/testdeps", "connectors/connectortest", "connectors/github/githubtest", "health/outward/outwardtest", "health/tracker/trackertest", "health/alert/channel/channeltest", "health/fleet", "destinations/destinationtest"}

// findCodes returns every code that the sources below root give, with the first
// place that gives it, and the places whose code it cannot tell.
func findCodes(root string) (map[string]string, []string, error) {
	f := &codeFinder{fset: token.NewFileSet(), packages: map[string]*codePackage{}, sinks: map[sink]bool{}, found: map[given]bool{}, opaque: map[string]bool{}}
	if err := f.parse(root); err != nil {
		return nil, nil, err
	}
	for before := -1; before != len(f.sinks); { // a sink found late makes callers of its function sinks
		before = len(f.sinks)
		clear(f.opaque)
		for _, dir := range slices.Sorted(maps.Keys(f.packages)) {
			f.search(f.packages[dir])
		}
	}
	codes := map[string]string{}
	for g := range f.found {
		if at, ok := codes[g.code]; !ok || g.place < at {
			codes[g.code] = g.place
		}
	}
	return codes, slices.Sorted(maps.Keys(f.opaque)), nil
}

func (f *codeFinder) parse(root string) error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		dir, _ := filepath.Rel(root, filepath.Dir(name))
		dir = filepath.ToSlash(dir)
		rel, _ := filepath.Rel(root, name)
		if d.IsDir() {
			if base := d.Name(); slices.Contains(testFolders, filepath.ToSlash(rel)) || name != root && strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(f.fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		p := f.packages[dir]
		if p == nil {
			p = &codePackage{dir: dir, constants: map[string]ast.Expr{}, structs: map[string]*ast.StructType{}}
			f.packages[dir] = p
		}
		p.add(file)
		return nil
	})
}

func (p *codePackage) add(file *ast.File) {
	p.files = append(p.files, file)
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range g.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for i, n := range s.Names {
					if g.Tok == token.CONST && i < len(s.Values) {
						p.constants[n.Name] = s.Values[i]
					}
				}
			case *ast.TypeSpec:
				if st, ok := s.Type.(*ast.StructType); ok {
					p.structs[s.Name.Name] = st
				}
			}
		}
	}
}

// A scope is the function in which an expression stands.
type scope struct {
	p    *codePackage
	file *ast.File
	fn   *ast.FuncDecl // nil outside of functions
}

func (f *codeFinder) search(p *codePackage) {
	for _, file := range p.files {
		for _, d := range file.Decls {
			s := scope{p: p, file: file}
			s.fn, _ = d.(*ast.FuncDecl)
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CompositeLit:
					f.literal(s, n, n.Type)
				case *ast.AssignStmt:
					f.assignment(s, n)
				case *ast.CallExpr:
					f.call(s, n)
				}
				return true
			})
		}
	}
}

// literal looks at a composite literal of typ, and at those within that leave
// their type out.
func (f *codeFinder) literal(s scope, lit *ast.CompositeLit, typ ast.Expr) {
	var element ast.Expr
	field, at := "", -1
	switch t := typ.(type) {
	case *ast.ArrayType:
		element = t.Elt
	case *ast.MapType:
		element = t.Value
	case *ast.StructType:
		field, at = codeField(t)
	case *ast.Ident:
		if slices.Contains(errorTypes, t.Name) {
			field = "Code"
		} else if st := s.p.structs[t.Name]; st != nil {
			field, at = codeField(st)
		}
	case *ast.SelectorExpr:
		if slices.Contains(errorTypes, t.Sel.Name) {
			field = "Code"
		}
	}
	for i, e := range lit.Elts {
		value := e
		kv, keyed := e.(*ast.KeyValueExpr)
		if keyed {
			value = kv.Value
		}
		if inner, ok := value.(*ast.CompositeLit); ok && inner.Type == nil && element != nil {
			f.literal(s, inner, element)
			continue
		}
		if key, ok := keyOf(kv); field != "" && (ok && key == field || !keyed && i == at) {
			f.give(s, value, field == "Code")
		}
	}
}

func keyOf(kv *ast.KeyValueExpr) (string, bool) {
	if kv == nil {
		return "", false
	}
	id, ok := kv.Key.(*ast.Ident)
	if !ok {
		return "", false
	}
	return id.Name, true
}

// codeField returns the name and the place of a struct's text field code.
func codeField(t *ast.StructType) (string, int) {
	i := 0
	for _, field := range t.Fields.List {
		for _, n := range field.Names {
			if id, ok := field.Type.(*ast.Ident); ok && n.Name == "code" && id.Name == "string" {
				return "code", i
			}
			i++
		}
	}
	return "", -1
}

func (f *codeFinder) assignment(s scope, a *ast.AssignStmt) {
	for i, l := range a.Lhs {
		if sel, ok := l.(*ast.SelectorExpr); ok && sel.Sel.Name == "Code" && len(a.Rhs) == len(a.Lhs) {
			f.give(s, a.Rhs[i], true)
		}
	}
}

func (f *codeFinder) call(s scope, c *ast.CallExpr) {
	for k := range f.sinks {
		if k.arg >= len(c.Args) || !f.calls(s, c, k) {
			continue
		}
		for _, v := range f.values(s, c.Args[k.arg], 0) {
			f.record(s, c.Args[k.arg], strings.ReplaceAll(k.form, hole, v))
		}
	}
}

func (f *codeFinder) calls(s scope, c *ast.CallExpr, k sink) bool {
	switch fn := c.Fun.(type) {
	case *ast.Ident:
		return fn.Name == k.fn && s.p.dir == k.pkg
	case *ast.SelectorExpr:
		if fn.Sel.Name != k.fn {
			return false
		}
		if id, ok := fn.X.(*ast.Ident); ok {
			if dir, ok := imported(s.file, id.Name); ok {
				return dir == k.pkg
			}
		}
		return s.p.dir == k.pkg
	}
	return false
}

const modulePath = "github.com/sluicehq/sluice"

// imported returns the folder of ours that file imports as name.
func imported(file *ast.File, name string) (string, bool) {
	for _, i := range file.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		if as := i.Name; as != nil && as.Name == name || as == nil && path.Base(p) == name {
			if p == modulePath {
				return ".", true
			}
			return strings.TrimPrefix(p, modulePath+"/"), true
		}
	}
	return "", false
}

// give takes what an expression can be as codes. One that cannot be told is a
// fault only where it is sure to be the code of an error: a column code of a table
// may be another kind of code.
func (f *codeFinder) give(s scope, e ast.Expr, sure bool) {
	for _, v := range f.values(s, e, 0) {
		if sure || v != "*" {
			f.record(s, e, v)
		}
	}
}

// param marks the place of the enclosing function's parameter i in a value.
func param(i int) string { return "\x01" + strconv.Itoa(i) + "\x01" }

func (f *codeFinder) record(s scope, e ast.Expr, v string) {
	p := f.fset.Position(e.Pos())
	place := fmt.Sprintf("%s/%s:%d", s.p.dir, filepath.Base(p.Filename), p.Line)
	if before, rest, ok := strings.Cut(v, "\x01"); ok {
		n, after, _ := strings.Cut(rest, "\x01")
		i, _ := strconv.Atoi(n)
		f.sinks[sink{s.p.dir, s.fn.Name.Name, i, before + hole + after}] = true
		return
	}
	if strings.Trim(v, "*") == "" {
		f.opaque[place] = true
		return
	}
	f.found[given{v, place}] = true
}

// values returns what a text expression can be: with * for what only the running
// program knows, and nothing for a code that is copied from another error.
func (f *codeFinder) values(s scope, e ast.Expr, depth int) []string {
	if depth > 8 {
		return []string{"*"}
	}
	switch e := e.(type) {
	case *ast.BasicLit:
		v, _ := strconv.Unquote(e.Value)
		return []string{v}
	case *ast.ParenExpr:
		return f.values(s, e.X, depth+1)
	case *ast.BinaryExpr:
		var all []string
		for _, l := range f.values(s, e.X, depth+1) {
			for _, r := range f.values(s, e.Y, depth+1) {
				all = append(all, l+r)
			}
		}
		return all
	case *ast.Ident:
		return f.named(s, e.Name, depth)
	case *ast.SelectorExpr:
		if id, ok := e.X.(*ast.Ident); ok {
			if dir, ok := imported(s.file, id.Name); ok && f.packages[dir] != nil {
				p := f.packages[dir]
				if c := p.constants[e.Sel.Name]; c != nil {
					return f.values(scope{p: p, file: p.files[0]}, c, depth+1)
				}
			}
		}
		if e.Sel.Name == "Code" || e.Sel.Name == "code" {
			return nil // of another error, or of a table whose literals are seen themselves
		}
	case *ast.CallExpr:
		if fn, ok := e.Fun.(*ast.Ident); ok {
			return f.returned(s, fn.Name, depth)
		}
		if sel, ok := e.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sprintf" {
			if format, ok := e.Args[0].(*ast.BasicLit); ok {
				v, _ := strconv.Unquote(format.Value)
				return []string{strings.NewReplacer("%d", "*", "%s", "*").Replace(v)}
			}
		}
	}
	return []string{"*"}
}

// returned returns what a function of the package can return.
func (f *codeFinder) returned(s scope, name string, depth int) []string {
	var all []string
	for _, file := range s.p.files {
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || fn.Name.Name != name || fn.Body == nil {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) == 1 {
					for _, v := range f.values(scope{p: s.p, file: file, fn: fn}, r.Results[0], depth+1) {
						if strings.Contains(v, "\x01") {
							v = "*"
						}
						all = append(all, v)
					}
				}
				return true
			})
		}
	}
	if len(all) == 0 {
		return []string{"*"}
	}
	return all
}

func (f *codeFinder) named(s scope, name string, depth int) []string {
	if s.fn != nil {
		i := 0
		for _, field := range s.fn.Type.Params.List {
			for _, n := range field.Names {
				if n.Name == name {
					return []string{param(i)}
				}
				i++
			}
		}
		if all := f.locals(s, name, depth); len(all) > 0 {
			return all
		}
	}
	if c := s.p.constants[name]; c != nil {
		return f.values(s, c, depth+1)
	}
	return []string{"*"}
}

// locals returns what the enclosing function assigns to a variable.
func (f *codeFinder) locals(s scope, name string, depth int) []string {
	var all []string
	add := func(names []ast.Expr, values []ast.Expr) {
		for i, n := range names {
			if id, ok := n.(*ast.Ident); ok && id.Name == name && len(names) == len(values) {
				all = append(all, f.values(s, values[i], depth+1)...)
			}
		}
	}
	ast.Inspect(s.fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			add(n.Lhs, n.Rhs)
		case *ast.ValueSpec:
			names := make([]ast.Expr, len(n.Names))
			for i, id := range n.Names {
				names[i] = id
			}
			add(names, n.Values)
		}
		return true
	})
	return all
}

// stringKeys returns the keys of a map literal of a file.
func stringKeys(t *testing.T, file, variable string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.ValueSpec)
		if !ok || s.Names[0].Name != variable {
			return true
		}
		for _, e := range s.Values[0].(*ast.CompositeLit).Elts {
			key, _ := strconv.Unquote(e.(*ast.KeyValueExpr).Key.(*ast.BasicLit).Value)
			keys = append(keys, key)
		}
		return false
	})
	return keys
}
