import { DataSource, type EntityManager, EntitySchema } from 'typeorm'
import { afterAll } from 'vitest'
import { ofTypeOrm } from '../../../src/postgres/index.ts'
import { type Isolation, type LibraryTransaction, Undone, untilUndone } from './library.ts'
import { outboxCases } from './outbox-cases.ts'
import { openShop } from './shop.ts'

const shop = await openShop()
const Order = new EntitySchema<{ id: number; what: string }>({
  name: 'order',
  tableName: 'orders',
  columns: { id: { type: 'int', primary: true, generated: true }, what: { type: 'text' } },
})
const dataSource = await new DataSource({
  type: 'postgres',
  url: shop.url,
  entities: [Order],
  poolSize: 4,
}).initialize()
afterAll(() => dataSource.destroy())

const of = (manager: EntityManager): LibraryTransaction => ({
  tx: ofTypeOrm(manager),
  write: (what) => manager.insert(Order, { what }),
  undone: (run) => {
    return untilUndone(() =>
      manager.transaction(async (inner) => {
        await run(of(inner))
        throw new Undone()
      }),
    )
  },
})

outboxCases(shop, {
  title: 'TypeORM',
  transaction: (isolation, run) => {
    return dataSource.transaction(isolation.toUpperCase() as Uppercase<Isolation>, (manager) => run(of(manager)))
  },
  wrong: {
    'the manager of all': () => ofTypeOrm(dataSource.manager),
    'a manager without its adapter': () => dataSource.manager,
  },
})
