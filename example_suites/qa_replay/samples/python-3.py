# A stack machine of four instructions.
PUSH, ADD, MUL, PRINT = range(4)


class Machine:
    def __init__(self):
        self.stack = []

    def run(self, program):
        for instruction, *operands in program:
            if instruction == PUSH:
                self.stack += operands
            elif instruction == PRINT:
                print(self.stack[-1])
            else:
                self.stack.append(self._combined(instruction))

    def _combined(self, instruction):
        right, left = self.stack.pop(), self.stack.pop()
        return left + right if instruction == ADD else left * right
