import { CodecError, shown } from '../errors.ts'
import type { CodecBounds } from './codec-bounds.ts'
import { pathOf, shownPath } from './path.ts'
import { isReadAsItIs } from './plain.ts'
import { type CodecType, revived, setField } from './revive.ts'
import { Mismatch, tags } from './tags.ts'

/** What a text was parsed into. */
type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

const makers = new Map(tags.map(({ name, make }) => [name, make]))

const memberNames: ReadonlySet<string> = new Set(['type', 'version', 'data'])

/** Brings one message back from what its text was parsed into. Nothing in that is trusted. */
export class Decoder {
  readonly #typeOf: (name: string) => CodecType | string | undefined
  readonly #bounds: CodecBounds
  readonly #path: PropertyKey[] = []
  #depth = 0

  constructor(typeOf: (name: string) => CodecType | string | undefined, bounds: CodecBounds) {
    this.#typeOf = typeOf
    this.#bounds = bounds
  }

  /** @throws {CodecError | ContractViolation} */
  decode(parsed: unknown): object | string {
    return this.#message(parsed as Json)
  }

  #message(json: Json): object | string {
    if (!isRecord(json)) throw this.#malformed(`is ${shown(json)} and no message`)
    const { type: name, version, data } = json
    if (typeof name !== 'string' || Object.keys(json).some((key) => !memberNames.has(key))) {
      throw this.#malformed('is no message: that has type, version, data, and nothing else')
    }
    const type = this.#typeOf(name)
    if (type === undefined) {
      const remedy =
        'Name its class in new Codec([...]) or the `messages` of the dispatcher, or update this program first.'
      throw this.#refusal('UNKNOWN_TYPE', `is of a type that this codec does not know, ${shown(name)}`, remedy)
    }
    if (typeof type === 'string') {
      if (version === undefined && data === undefined) return type
      throw this.#malformed(`is '${type}', a string: it has neither version nor data`)
    }
    if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) {
      throw this.#malformed(`has the version ${shown(version)}, which is no whole number from 1 on`)
    }
    if (data === undefined || !isRecord(data)) throw this.#malformed(`has the data ${shown(data)}, which is no object`)
    this.#enter()
    const fields = isReadAsItIs(data, this.#depth + 1, this.#bounds.maxDepth) ? data : this.#fields(data)
    this.#depth -= 1
    return revived(type, { version, path: pathOf(this.#path), data: fields })
  }

  #value(json: Json): unknown {
    if (typeof json === 'number' && !Number.isFinite(json)) throw this.#malformed('is a number larger than there are')
    if (typeof json !== 'object' || json === null) return json
    if (isList(json)) return this.#list(json)
    const [name, ...more] = Object.keys(json)
    const isTagged = name !== undefined && more.length === 0 && isTag(name)
    return isTagged ? this.#tagged(name, json[name] as Json) : this.#fields(json)
  }

  #tagged(name: string, parts: Json): unknown {
    const make = makers.get(name.slice(1))
    if (make === undefined && name !== '$message') {
      throw this.#malformed(`has the tag ${shown(name)}, which this codec does not know`)
    }
    this.#enter()
    const read = make === undefined ? this.#message(parts) : this.#value(parts)
    this.#depth -= 1
    try {
      return make === undefined ? read : make(read)
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error
      throw this.#malformed(`has in its tag ${name} what cannot be there`)
    }
  }

  #fields(json: { readonly [name: string]: Json }): object {
    this.#enter()
    const fields = {}
    for (const name of Object.keys(json)) {
      this.#path.push(name)
      if (name === '__proto__') throw this.#malformed('has a name that is reserved')
      if (isTag(name)) throw this.#malformed('has the name of a tag, which is none of a field')
      const key = name.startsWith('$') ? name.slice(1) : name
      const value = this.#value(json[name] as Json)
      setField(fields, key, value)
      this.#path.pop()
    }
    this.#depth -= 1
    return fields
  }

  #list(json: readonly Json[]): unknown[] {
    this.#enter()
    const list: unknown[] = []
    for (const [index, item] of json.entries()) {
      this.#path.push(index)
      if (isHole(item)) list.length += 1
      else list.push(this.#value(item))
      this.#path.pop()
    }
    this.#depth -= 1
    return list
  }

  /** One bracket more. */
  #enter(): void {
    this.#depth += 1
    if (this.#depth <= this.#bounds.maxDepth) return
    const remedy = `Give the codec a larger maxDepth (it is ${this.#bounds.maxDepth}) if that is meant.`
    throw this.#refusal('TOO_DEEP', 'is nested too deep', remedy)
  }

  #malformed(what: string): CodecError {
    return this.#refusal('MALFORMED', what, 'Look at who wrote it: no codec does.')
  }

  #refusal(code: string, what: string, remedy: string): CodecError {
    const path = pathOf(this.#path)
    return new CodecError(code, `${path === '' ? 'The text' : `In the text, ${shownPath(path)}`} ${what}. ${remedy}`, {
      path,
    })
  }
}

/** Whether a name is that of a tag: one that only begins like it has one sign more. */
function isTag(name: string): boolean {
  return name.startsWith('$') && !name.startsWith('$$')
}

function isHole(json: Json): boolean {
  return isRecord(json) && json['$hole'] === true && Object.keys(json).length === 1
}

function isList(json: Json): json is readonly Json[] {
  return Array.isArray(json)
}

function isRecord(json: Json): json is { readonly [name: string]: Json } {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}
