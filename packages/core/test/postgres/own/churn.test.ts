import { expect, test } from 'vitest'
import { churn } from '../../torture/churn/churn.ts'

// The short form of `npm run churn`: its autovacuum looks as much more often as it is shorter than an hour is long.
test(
  'tables of which much turns stay as they are, also after a transaction that was open for long',
  { timeout: 240_000 },
  async () => {
    const { faults, handled, published } = await churn({ minutes: 2, rate: 150, naptimeS: 3 })
    expect(faults).toEqual([])
    expect(published).toBeGreaterThan(3_000)
    // By two handlers; what is dead in the one is not counted.
    expect(handled).toBeGreaterThan(1.8 * published)
  },
)
