// Package plugin runs connectors and destinations in processes of their own.
//
// A host starts an executable with hashicorp/go-plugin and talks gRPC to it on
// a Unix socket in a folder that only its user can open. Source and Destination
// return values that keep the contracts of the root package, so that the engine
// cannot tell them from values of its own process: the same optional
// interfaces, the same errors, the same order of calls to a Sink. A process that
// crashes, leaks or is killed ends the call with a *sluice.Error that says so.
//
// Serve is the other side: what a plugin's main function calls. docs/plugins.md
// describes the protocol.
package plugin
