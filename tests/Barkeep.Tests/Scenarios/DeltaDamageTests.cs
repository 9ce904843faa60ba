using Barkeep.Restores;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Whatever has happened to a copy: a delta restore makes it what a fresh one is, and touches nothing outside of it.</summary>
public sealed class DeltaDamageTests(DeltaCluster cluster)
{
    const int Blows = 40;

    // Without them nobody could tell that it is a copy of the cluster.
    static readonly string[] Spared = ["PG_VERSION", "global/pg_control", "barkeep.restored"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task Any_damage_is_repaired_and_nothing_outside_is_touched(int seed)
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("damaged");
        var (target, outside) = (Path.Combine(scratch.Path, "target"), Directory.CreateDirectory(Path.Combine(scratch.Path, "outside")).FullName);
        await source.RestoreAsync(target, seed % 2 == 0 ? source.First : source.Second);
        var random = new Random(seed);
        var blows = new List<string>();
        try
        {
            for (var i = 0; i < Blows; i++)
            {
                blows.Add(await StrikeAsync(random, target, outside, i));
            }
            await HitAndHealAsync(source, target, outside, blows);
        }
        finally
        {
            // .NET cannot: names may not be UTF-8.
            (await Command.RunAsync("rm", "-r", target, outside)).Checked();
        }
    }

    static async Task HitAndHealAsync(DeltaCluster.State source, string target, string outside, List<string> blows)
    {
        var before = await TreeImage.TakeAsync(outside);
        await source.DeltaAsync(target);
        Assert.True("" == (await TreeImage.TakeAsync(outside)).Differences(before), $"{string.Join('\n', blows)}");
    }

    [Theory]
    [InlineData("global/pg_control")]
    [InlineData("barkeep.restored")]
    public async Task A_copy_that_has_lost_one_of_the_two_files_that_tell_what_it_is_is_still_known(string lost)
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await source.RestoreAsync(scratch.Path, source.First);
        await File.WriteAllTextAsync(Path.Combine(scratch.Path, lost), "no more");
        await source.DeltaAsync(scratch.Path);
        File.Delete(Path.Combine(scratch.Path, lost));
        await source.DeltaAsync(scratch.Path);
    }

    [Fact]
    public async Task A_write_that_hides_itself_is_noticed()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await source.RestoreAsync(scratch.Path, source.Second);
        var file = new DirectoryInfo(Path.Combine(scratch.Path, "base")).EnumerateFiles("*", SearchOption.AllDirectories).MaxBy(static f => f.Length)!.FullName;
        var modified = (await Command.RunAsync("stat", "--format=%y", file)).Checked().Output;
        await FlipAsync(file, 12345);
        (await Command.RunAsync("touch", "--date", modified.Trim(), file)).Checked();
        Assert.Equal(modified, (await Command.RunAsync("stat", "--format=%y", file)).Checked().Output);

        var delta = (await source.DeltaAsync(scratch.Path)).Delta!;
        Assert.InRange(delta.ReadFiles, 1, 4);
        Assert.InRange(delta.PageBytes, 8192, 100_000);
    }

    [Fact]
    public async Task A_file_of_the_record_with_another_owner_or_mode_gets_its_own_again()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await source.RestoreAsync(scratch.Path, source.Second);
        (await Command.RunAsync("chown", "4711:4712", Path.Combine(scratch.Path, "base/1"), Path.Combine(scratch.Path, "base/1/1259"))).Checked();
        (await Command.RunAsync("chmod", "4777", Path.Combine(scratch.Path, "global"), Path.Combine(scratch.Path, "global/1262"))).Checked();
        await source.DeltaAsync(scratch.Path);
    }

    [Theory]
    [InlineData("""ln "$1" "$2" """)]
    [InlineData("""rm "$1" """)]
    [InlineData("""truncate --size=8192 "$1" """)]
    [InlineData("""printf 'mine' | dd of="$1" bs=1 seek=12345 conv=notrunc status=none""")]
    [InlineData("""cp "$1" "$2" && printf 'mine' | dd of="$2" bs=1 seek=12345 conv=notrunc status=none && mv "$2" "$1" """)]
    public async Task A_file_that_something_else_touches_while_files_are_compared_is_made_anew(string script)
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        var target = Path.Combine(scratch.Path, "data");
        await source.RestoreAsync(target, source.First);
        var (file, other) = (Path.Combine(target, await source.Source.ScalarAsync<string>("SELECT pg_relation_filepath('same')")), Path.Combine(scratch.Path, "other"));
        var content = await File.ReadAllBytesAsync(file);

        var result = await RestoreJob.RunAsync(source.Into(target) with { OnPlanned = _ => Shell(script, file, other) }, null, default);

        await source.AssertFreshAsync(target);
        Assert.Contains(result.Warnings, w => w.Contains("something else was at work", StringComparison.Ordinal));
        Assert.True(result.Delta!.PageBytes > content.Length, $"{result.Delta}");
        if (File.Exists(other))
        {
            Assert.Equal(content, await File.ReadAllBytesAsync(other));
        }
        Assert.Empty((await source.DeltaAsync(target)).Warnings);
    }

    [Fact]
    public async Task A_file_that_comes_while_files_are_compared_is_made_anew()
    {
        var source = await cluster.GetAsync();
        using var scratch = new Scratch("target");
        await source.RestoreAsync(scratch.Path, source.Second);
        // A page of zeros, which no one writes into a new file.
        var file = Path.Combine(scratch.Path, "pg_multixact/members/0000");
        Assert.DoesNotContain(await File.ReadAllBytesAsync(file), b => b != 0);
        File.Delete(file);

        await RestoreJob.RunAsync(source.Into(scratch.Path) with { OnPlanned = _ => File.WriteAllBytes(file, [.. Enumerable.Repeat((byte)1, 8192)]) }, null, default);

        await source.AssertFreshAsync(scratch.Path);
    }

    static async Task<string> StrikeAsync(Random random, string target, string outside, int number)
    {
        var files = new DirectoryInfo(target).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint })
            .Select(static f => f.FullName).Where(f => !f.Contains('\uFFFD', StringComparison.Ordinal) && !Spared.Contains(Path.GetRelativePath(target, f))).Order(StringComparer.Ordinal).ToList();
        var file = files[random.Next(files.Count)];
        var directory = Path.GetDirectoryName(file)!;
        var mine = Path.Combine(outside, $"{number}");
        var length = new FileInfo(file).Length;
        var what = random.Next(13);
        switch (what)
        {
            case 0 or 1 when length > 0 && !IsFifo(file):
                await FlipAsync(file, random.NextInt64(length));
                break;
            case 2:
                File.Delete(file);
                break;
            case 3 when length > 0 && !IsFifo(file):
                await ShellAsync("""truncate --size "$2" "$1" """, file, $"{random.NextInt64(length)}");
                break;
            case 4 when !IsFifo(file):
                await ShellAsync("""head -c "$2" /dev/urandom >>"$1" """, file, $"{random.Next(100_000)}");
                break;
            case 5:
                await File.WriteAllTextAsync(Path.Combine(directory, $"stray-{number}"), "stray");
                break;
            case 6:
                await ShellAsync("""rm "$1" && mkdir -p "$1/a/b" && echo x >"$1/a/b/c" """, file);
                break;
            case 7:
                await ShellAsync("""head -c "$3" /dev/urandom >"$2" && ln -sf "$2" "$1" """, file, mine, $"{length}");
                break;
            case 8:
                await ShellAsync("""rm "$1" && mkfifo "$1" """, file);
                break;
            case 9:
                await ShellAsync("""head -c "$3" /dev/urandom >"$2" && chmod 604 "$2" && ln -f "$2" "$1" """, file, mine, $"{length}");
                break;
            case 10 when directory != target && directory != Path.Combine(target, "global"):
                await ShellAsync("""cp -a "$1" "$2" && rm -r "$1" && ln -s "$2" "$1" """, directory, mine);
                break;
            case 11:
                await ShellAsync("""mkdir "$2" && touch "$2/in" && ln -s "$2" "$1-link" && touch "$1$(printf '\377\376')" """, file, mine);
                break;
            case 12 when !IsFifo(file):
                await ShellAsync("""cp "$1" "$1.new" && mv "$1.new" "$1" && chmod 000 "$1" """, file);
                break;
        }
        return $"{what} {Path.GetRelativePath(target, file)}";
    }

    static bool IsFifo(string file) => (File.GetAttributes(file) & FileAttributes.Normal) == 0 && new FileInfo(file).UnixFileMode != UnixFileMode.None && !IsRegular(file);

    static bool IsRegular(string file)
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("test", ["-f", file]))!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    static async Task ShellAsync(string script, params string[] arguments) =>
        (await Command.RunAsync("sh", ["-ec", script, "sh", .. arguments])).Checked();

    static void Shell(string script, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("sh", ["-ec", script, "sh", .. arguments]))!;
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    static async Task FlipAsync(string file, long offset)
    {
        using var handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite);
        var one = new byte[1];
        await RandomAccess.ReadAsync(handle, one, offset);
        one[0] ^= 0x55;
        await RandomAccess.WriteAsync(handle, one, offset);
    }
}
