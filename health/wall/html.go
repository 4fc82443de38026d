package wall

import (
	"html/template"
	"strings"
)

// colours of a state's label: text on ground, readable in light and dark programs.
var colours = map[string]template.CSS{
	"down":         "background:#b3261e;color:#ffffff",
	"needs_action": "background:#8a4b00;color:#ffffff",
	"degraded":     "background:#5f6b7a;color:#ffffff",
}

var mail = template.Must(template.New("wall").Funcs(template.FuncMap{
	"colour": func(health string) template.CSS {
		if c, ok := colours[health]; ok {
			return c
		}
		return colours["degraded"]
	},
	"cause":      func(p page, c Cause) part { return part{c, p} },
	"ticket":     func(t Ticket) link { return link{t.URL, clean(t.Key, 60)} },
	"connection": func(c Connection) link { return link{c.URL, c.Label()} },
	"join":       func(parts []string) string { return strings.Join(parts, " · ") },
}).Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Subject}}</title></head>
<body style="margin:0;padding:0;background:#f2f4f7">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="background:#f2f4f7"><tr><td align="center" style="padding:16px 8px">
<table role="presentation" width="640" cellpadding="0" cellspacing="0" border="0" style="width:100%;max-width:640px;background:#ffffff;border:1px solid #d5dae1">
<tr><td style="padding:20px 24px;font-family:Arial,Helvetica,sans-serif;color:#1c2430">
<div style="font-size:18px;line-height:24px;font-weight:bold">{{.Subject}}</div>
<div style="font-size:13px;line-height:20px;color:#4d5866">{{.Time .At}}</div>
<div style="font-size:14px;line-height:20px;padding-top:8px">{{.Summary}}.</div>
</td></tr>
{{- $p := .}}
{{- define "title"}}
<tr><td style="padding:12px 24px 4px 24px;font-family:Arial,Helvetica,sans-serif;font-size:13px;line-height:18px;font-weight:bold;color:#4d5866;border-top:1px solid #d5dae1">{{.}}</td></tr>
{{- end}}
{{- define "more"}}
<tr><td style="padding:4px 24px 12px 24px;font-family:Arial,Helvetica,sans-serif;font-size:13px;line-height:18px;color:#4d5866">… and {{.}} more.</td></tr>
{{- end}}
{{- define "link"}}{{if .URL}}<a href="{{.URL}}" style="color:#0b57d0">{{.Text}}</a>{{else}}{{.Text}}{{end}}{{end}}
{{- define "cause"}}
<tr><td style="padding:8px 24px 12px 24px;font-family:Arial,Helvetica,sans-serif;color:#1c2430">
<div style="font-size:15px;line-height:21px;font-weight:bold">{{template "link" .HeadLink}}{{if gt (len .Connections) 1}} ({{len .Connections}} connections){{end}}</div>
{{- with .Incident}}
<div style="font-size:13px;line-height:19px;color:#4d5866">{{join ($.Page.Facts .)}}{{range .Tickets}} · ticket {{template "link" ticket .}}{{end}}</div>
{{- end}}
{{- with .Worst.Advice}}
<div style="font-size:13px;line-height:19px">What to do: {{.}}</div>
{{- end}}
{{- if .Worst.RunbookURL}}
<div style="font-size:13px;line-height:19px"><a href="{{.Worst.RunbookURL}}" style="color:#0b57d0">Runbook</a></div>
{{- end}}
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="margin-top:6px">
{{- range .Shown}}
<tr><td valign="top" width="96" style="padding:4px 8px 4px 0"><span style="{{colour .Health}};font-size:12px;line-height:18px;padding:1px 6px;white-space:nowrap">{{.State}}</span></td>
<td valign="top" style="padding:4px 0;font-size:13px;line-height:19px">{{template "link" connection .}} <span style="color:#4d5866">{{.Who}}</span><br>
<span style="color:#4d5866">for {{$.Page.Lasts .Since}}, last success {{$.Page.Time .LastSuccess}}</span>{{if $.Incident}}<br>{{.Text}}{{end}}</td></tr>
{{- end}}
</table>
{{- with .More}}
<div style="font-size:13px;line-height:19px;color:#4d5866">… and {{.}} more</div>
{{- end}}
</td></tr>
{{- end}}
{{- if .SharedShown}}{{template "title" "Shared causes"}}{{range .SharedShown}}{{template "cause" cause $p .}}{{end}}{{with .SharedMore}}{{template "more" .}}{{end}}{{end}}
{{- if .SingleShown}}{{template "title" "Single connections"}}{{range .SingleShown}}{{template "cause" cause $p .}}{{end}}{{with .SingleMore}}{{template "more" .}}{{end}}{{end}}
{{- if .URL}}
<tr><td style="padding:12px 24px 20px 24px;font-family:Arial,Helvetica,sans-serif;font-size:13px;line-height:19px;border-top:1px solid #d5dae1"><a href="{{.URL}}" style="color:#0b57d0">All of it</a></td></tr>
{{- end}}
</table>
</td></tr></table>
</body></html>
`))

// link is a text that may lead somewhere.
type link struct{ URL, Text string }

// part is a cause on its page.
type part struct {
	Cause
	Page page
}

// HeadLink is the cause's headline, and leads to its incident.
func (p part) HeadLink() link {
	if p.Incident == nil {
		return link{Text: p.Headline()}
	}
	return link{p.Incident.URL, p.Headline()}
}

func (p page) html() (string, error) {
	var b strings.Builder
	err := mail.Execute(&b, p)
	return b.String(), err
}
