using System.Text.Json;
using System.Text.Json.Nodes;
using Xunit;

namespace Barkeep.Tests.Cli;

/// <summary>What is sent to somebody who shall find a fault: numbers as numbers, text as it is, and no secrets.</summary>
public sealed class DiagnoseTests(FixedRepository repository) : IClassFixture<FixedRepository>
{
    const string Canary = "canary-password";

    [Theory]
    [InlineData("diagnose")]
    [InlineData("diagnose", "--show-config-source")]
    [InlineData("show-servers", "montagu")]
    [InlineData("-f", "json", "show-servers", "montagu")]
    public async Task A_secret_is_shown_as_stars_wherever_it_comes_from(params string[] line)
    {
        var file = Path.Combine(repository.Rig.Home, "secret");
        await File.WriteAllTextAsync(file, Canary);
        repository.Rig.Environment["BARMAN_MONTAGU_PASS_BACKUP"] = Canary;
        repository.Rig.Environment["BARMAN_MONTAGU_PASS_STREAM_FILE"] = file;
        try
        {
            var said = (await repository.Rig.RunAsync(["barman", .. line])).Checked();
            Assert.Equal(2, said.Output.Split("********").Length - 1);
            Assert.DoesNotContain(Canary, said.Output + said.Error, StringComparison.Ordinal);
        }
        finally
        {
            repository.Rig.Environment.Remove("BARMAN_MONTAGU_PASS_BACKUP");
            repository.Rig.Environment.Remove("BARMAN_MONTAGU_PASS_STREAM_FILE");
        }
    }

    [Fact]
    public async Task Diagnose_tells_of_the_system_and_of_each_server()
    {
        var said = (await repository.Rig.RunAsync("barman", "diagnose")).Checked().Output;
        Assert.DoesNotContain("\\u", said, StringComparison.Ordinal);
        var all = JsonNode.Parse(said)!;
        var system = all["global"]!["system_info"]!;
        Assert.StartsWith($"Linux {(await File.ReadAllTextAsync("/proc/sys/kernel/osrelease")).Trim()} ", (string?)system["kernel_ver"], StringComparison.Ordinal);
        Assert.InRange(DateTimeOffset.Parse((string)system["timestamp"]!, System.Globalization.CultureInfo.InvariantCulture), DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow);

        var server = all["servers"]!["montagu"]!;
        Assert.Equal(JsonValueKind.Number, server["config"]!["port"]!.GetValueKind());
        Assert.Equal(JsonValueKind.True, server["config"]!["set_up"]!.GetValueKind());
        Assert.Equal("WAITING_FOR_WALS", (string?)server["backups"]!["20261123T010000"]!["status"]);
        Assert.Equal("FAILED", (string?)server["check"]!["postgresql"]!["status"]);
        Assert.StartsWith("0/5400000 to 0/5500000", (string?)server["status"]!["gaps"]![0], StringComparison.Ordinal);
        Assert.StartsWith("barman@127.0.0.1:1 cannot be reached", (string?)server["status"]!["connection_error"], StringComparison.Ordinal);
    }
}
