// Package rest is what sources of HTTP APIs with JSON answers are made of.
//
// From the ground up: a Client sends one request and returns a complete, checked
// answer, with credentials, retries, rate limits and errors taken care of; Pages
// walks from page to page and fetches ahead; a Feed carries the records of many
// pages, read concurrently, into a sink and keeps the cursor exact; an Endpoint
// says all of that declaratively for one stream, and NewSource makes a
// sluice.Source of a list of them. Each layer can be used without those above it.
//
// docs/connectors/writing.md explains how to write a connector with it.
package rest
