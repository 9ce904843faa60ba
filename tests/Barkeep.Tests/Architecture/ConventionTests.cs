using System.Reflection;
using System.Text.RegularExpressions;
using Barkeep.Common;
using Xunit;

namespace Barkeep.Tests.Architecture;

public sealed partial class ConventionTests
{
    static readonly Assembly Core = typeof(Durable).Assembly;
    static readonly Assembly Executable = Assembly.Load("barkeep");
    static readonly Type Native = Core.GetType("Barkeep.Common.NativeMethods", throwOnError: true)!;

    [Fact]
    public void Only_Durable_flushes_to_disk()
    {
        // .NET's own returns normally when fsync fails; libc's is called in one place, which throws.
        Assert.Empty(Uses(
            [Core, Executable],
            except: ["Durable"],
            (typeof(FileStream), "Flush", [typeof(bool)]),
            (typeof(RandomAccess), "FlushToDisk", null),
            (Native, "FileSync", null),
            (Native, "FileDataSync", null)));
    }

    [Fact]
    public void Files_are_moved_only_where_it_may_replace_another()
    {
        // File.Move asks whether the target exists and then renames: not exclusive. Durable.Publish is.
        Assert.Empty(Uses([Core, Executable], except: ["Durable"], (typeof(File), "Move", null), (typeof(FileInfo), "MoveTo", null), (typeof(Directory), "Move", null)));
    }

    [Fact]
    public void The_core_prints_nothing()
    {
        Assert.Empty(Uses([Core], except: [], (typeof(Console), null, null)));
    }

    [Fact]
    public void The_wall_clock_is_read_only_through_TimeProvider()
    {
        Assert.Empty(Uses(
            [Core, Executable],
            except: [],
            (typeof(DateTime), "get_UtcNow", null),
            (typeof(DateTime), "get_Now", null),
            (typeof(DateTime), "get_Today", null),
            (typeof(DateTimeOffset), "get_UtcNow", null),
            (typeof(DateTimeOffset), "get_Now", null)));
    }

    [Fact]
    public void What_libc_does_is_declared_in_one_class()
    {
        // Two declarations of a call, or of its struct, can differ. Raw system calls are each another one.
        var calls = from assembly in (string[])["src/Barkeep.Core", "src/Barkeep"]
                    from source in SourceTree.Sources(assembly)
                    from Match declared in EntryPoint().Matches(source.Text)
                    where declared.Groups[1].Value != "syscall"
                    group source.Path by declared.Groups[1].Value into call
                    select (call.Key, Files: call.Distinct().Order().ToList());
        Assert.NotEmpty(calls);
        Assert.Empty(calls.Where(static c => c.Files.Count > 1).Select(static c => $"{c.Key}: {string.Join(", ", c.Files)}"));
    }

    [GeneratedRegex("LibraryImport\\(\"libc\", EntryPoint = \"(\\w+)\"")]
    private static partial Regex EntryPoint();

    // A null name means any member of the type, null parameters any overload.
    static IEnumerable<string> Uses(Assembly[] assemblies, string[] except, params (Type Type, string? Name, Type[]? Parameters)[] banned)
    {
        const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance;
        // A ban of what does not exist would hold for ever.
        Assert.All(banned, ban => Assert.NotEmpty(ban.Name is null ? ban.Type.GetMembers(Any) : ban.Type.GetMember(ban.Name, Any)));
        return (from assembly in assemblies
                from reference in CodeReferences.Of(assembly)
                where !except.Contains(reference.From.Name)
                from ban in banned
                where reference.To.DeclaringType == ban.Type
                    && (ban.Name is null || reference.To.Name == ban.Name)
                    && (ban.Parameters is null || reference.To is MethodBase method && method.GetParameters().Select(parameter => parameter.ParameterType).SequenceEqual(ban.Parameters))
                select $"{reference.From.FullName} uses {ban.Type.Name}.{reference.To.Name}").Distinct().Order();
    }
}
