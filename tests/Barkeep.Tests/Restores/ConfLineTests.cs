using Barkeep.Restores;
using Xunit;

namespace Barkeep.Tests.Restores;

public sealed class ConfLineTests
{
    [Theory]
    [InlineData("port = 5432", "port", "5432")]
    [InlineData("port=5432#comment", "port", "5432")]
    [InlineData("  Port\t5432  ", "port", "5432")]
    [InlineData("archive_command = 'cp %p ''/a b''/%f' # it''s", "archive_command", "cp %p '/a b'/%f")]
    [InlineData(@"application_name = 'back\'slash'", "application_name", "back'slash")]
    [InlineData("pg_stat_statements.max = 100", "pg_stat_statements.max", "100")]
    [InlineData("include 'conf.d/more.conf'", "include", "conf.d/more.conf")]
    [InlineData("synchronous_standby_names = ''", "synchronous_standby_names", "")]
    [InlineData("port = 5432\r", "port", "5432")]
    [InlineData("cluster_name = 'open", "cluster_name", "open")]
    public void A_line_is_read_as_PostgreSQL_reads_it(string text, string name, string value)
    {
        var line = ConfLine.TryParse("postgresql.conf", 7, text);
        Assert.Equal(new ConfLine("postgresql.conf", 7, name, value), line);
    }

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("# port = 5432")]
    [InlineData("port")]
    [InlineData("port = # nothing")]
    [InlineData("'port' = 5432")]
    [InlineData("5432 = port")]
    public void What_sets_nothing_is_passed_over(string text) => Assert.Null(ConfLine.TryParse("postgresql.conf", 1, text));
}
