// Stands for @rjsf/validator-ajv8, which a test helper of @rjsf/core imports: it
// makes code at run time, which the page's policy forbids. Forms have a validator of
// their own.
export default {};
