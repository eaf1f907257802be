// What users merge their own names into. `index.ts` re-exports this file by `export *`: an interface that is exported
// from there by name cannot be merged into.

/**
 * Text that travels with a message and is inherited by what it causes: a tenant, a user, a trace.
 *
 * ```ts
 * declare module '@iambus/core' { interface MessageHeaders { readonly tenant?: string } }
 * ```
 */
export interface MessageHeaders {
  readonly [name: string]: string | undefined
}

/**
 * The names that string messages may have. Merge into it to have them checked; while it is empty, any string will do.
 *
 * ```ts
 * declare module '@iambus/core' { interface StringEvents { 'on startup': true } }
 * ```
 */
export interface StringEvents {}
