package files

// nullTexts are the unquoted texts that a dialect reads as null.
type nullTexts struct {
	texts  []string
	first  [256]bool // the bytes that they begin with
	digits bool      // one of them may be a number or date
}

func newNullTexts(texts []string) nullTexts {
	n := nullTexts{texts: texts}
	for _, t := range texts {
		if t != "" {
			n.first[t[0]] = true
			n.digits = n.digits || t[0]-'0' <= 9 || t[0] == '-'
		}
	}
	return n
}

func (n *nullTexts) has(b []byte) bool {
	if len(b) == 0 || !n.first[b[0]] {
		return false
	}
	for _, t := range n.texts {
		if text(b) == t {
			return true
		}
	}
	return false
}
