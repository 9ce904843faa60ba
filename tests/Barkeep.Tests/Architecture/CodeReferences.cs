using System.Buffers.Binary;
using System.Reflection;
using System.Reflection.Emit;

namespace Barkeep.Tests.Architecture;

/// <summary>
/// What the code of an assembly refers to, read from its compiled methods and signatures: neither a qualified name,
/// an alias nor a text in a comment can mislead it.
/// </summary>
static class CodeReferences
{
    const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;

    static readonly Dictionary<short, OpCode> OpCodesByValue = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(code => code.Value);

    /// <summary>Each method, field or type that is named, with the outermost type in whose code that is.</summary>
    public static IEnumerable<(Type From, MemberInfo To)> Of(Assembly assembly)
    {
        foreach (var type in assembly.GetTypes())
        {
            var from = Outermost(type);
            var members = Signature(type).Concat(Methods(type).SelectMany(Body));
            foreach (var to in members.Distinct())
            {
                yield return (from, to);
            }
        }
    }

    /// <summary>The types that a reference involves, without generic arguments, arrays, pointers and nesting.</summary>
    public static IEnumerable<Type> Types(MemberInfo member) => member switch
    {
        Type { HasElementType: true } type => Types(type.GetElementType()!),
        Type { IsGenericParameter: true } => [],
        Type { IsGenericType: true, IsGenericTypeDefinition: false } type => [Outermost(type.GetGenericTypeDefinition()), .. type.GetGenericArguments().SelectMany(Types)],
        Type type => [Outermost(type)],
        MethodInfo method => [.. Types(method.DeclaringType!), .. method.IsGenericMethod ? method.GetGenericArguments().SelectMany(Types) : []],
        _ => Types(member.DeclaringType!),
    };

    static IEnumerable<MethodBase> Methods(Type type) =>
        type.GetMethods(Declared).Concat<MethodBase>(type.GetConstructors(Declared));

    static IEnumerable<MemberInfo> Signature(Type type)
    {
        var direct = type.GetInterfaces().Concat(type.BaseType is null ? [] : [type.BaseType]).Concat(type.GetFields(Declared).Select(field => field.FieldType));
        var methods = Methods(type).SelectMany(method => method.GetParameters().Select(parameter => parameter.ParameterType)
            .Concat(method is MethodInfo { ReturnType: var returned } ? [returned] : []));
        return direct.Concat(methods);
    }

    static IEnumerable<MemberInfo> Body(MethodBase method)
    {
        if (method.GetMethodBody() is not { } body)
        {
            yield break;
        }
        var typeArguments = method.DeclaringType!.IsGenericType ? method.DeclaringType.GetGenericArguments() : null;
        var methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : null;
        foreach (var local in body.LocalVariables)
        {
            yield return local.LocalType;
        }
        foreach (var token in Tokens(body.GetILAsByteArray()!))
        {
            if (method.Module.ResolveMember(token, typeArguments, methodArguments) is { } member)
            {
                yield return member;
            }
        }
    }

    // ECMA-335, partition III: an opcode of one byte, or of two beginning with FE, then its operand.
    static IEnumerable<int> Tokens(byte[] code)
    {
        var at = 0;
        while (at < code.Length)
        {
            var opcode = OpCodesByValue[code[at] == 0xFE ? (short)(0xFE00 | code[at + 1]) : code[at]];
            at += opcode.Size;
            if (opcode.OperandType is OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType)
            {
                yield return BinaryPrimitives.ReadInt32LittleEndian(code.AsSpan(at));
            }
            at += OperandSize(opcode.OperandType, code, at);
        }
    }

    static int OperandSize(OperandType operand, byte[] code, int at) => operand switch
    {
        OperandType.InlineNone => 0,
        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
        OperandType.InlineVar => 2,
        OperandType.InlineI8 or OperandType.InlineR => 8,
        OperandType.InlineSwitch => 4 + 4 * BinaryPrimitives.ReadInt32LittleEndian(code.AsSpan(at)),
        _ => 4,
    };

    static Type Outermost(Type type)
    {
        while (type.DeclaringType is { } outer)
        {
            type = outer;
        }
        return type;
    }
}
