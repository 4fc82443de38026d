package control

// mergePatch returns target changed by a JSON merge patch (RFC 7386). Neither is
// touched; parts of both may be shared by the result.
func mergePatch(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	old, _ := target.(map[string]any)
	merged := make(map[string]any, len(old)+len(changes))
	for name, v := range old {
		merged[name] = v
	}
	for name, v := range changes {
		if v == nil {
			delete(merged, name)
			continue
		}
		merged[name] = mergePatch(merged[name], v)
	}
	return merged
}
