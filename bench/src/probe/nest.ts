import { type INestApplicationContext, Module, type Type } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { CqrsModule, UnhandledExceptionBus } from '@nestjs/cqrs'
import { seen, shown } from './seen.ts'

/**
 * An application without a server, as its documentation has it, that logs warnings and errors. Decorators are called as
 * functions: Node.js runs these files as they are.
 */
export async function application(providers: readonly Type[]): Promise<INestApplicationContext> {
  class AppModule {
    readonly name = 'probe'
  }
  Module({ imports: [CqrsModule.forRoot()], providers: [...providers] })(AppModule)
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'] })
  app.get(UnhandledExceptionBus).subscribe(({ exception }) => {
    seen('a listener is told', `UnhandledExceptionBus: ${shown(exception)}`)
  })
  return app
}
