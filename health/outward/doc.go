// Package outward is what tickets and notifications share on their way out of the
// house: one HTTP request at a time under the outbound policy, with errors that
// say what to do and whether the request may have been accepted all the same;
// webhooks signed as the Standard Webhooks specification says; and texts written
// once, in a subset of Markdown, for systems that each want another form.
//
// Nothing is tried again here: whoever sends keeps what is to be sent in the
// outbox, and decides there when to try again.
package outward
