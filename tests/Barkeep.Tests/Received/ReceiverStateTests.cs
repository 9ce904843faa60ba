using Barkeep.Common;
using Barkeep.Received;
using Xunit;

namespace Barkeep.Tests.Received;

public sealed class ReceiverStateTests
{
    [Theory]
    [InlineData("")]
    [InlineData("{\"version\":1,\"proc")]
    public void A_state_that_is_being_written_is_no_state(string content)
    {
        var path = Path.GetTempFileName();
        File.WriteAllText(path, content);
        Assert.Null(ReceiverState.TryRead(path));
        File.Delete(path);
        Assert.Null(ReceiverState.TryRead(path));
    }

    [Fact]
    public void A_newer_state_is_refused()
    {
        var path = Path.GetTempFileName();
        File.WriteAllText(path, "{\"version\":2}");
        Assert.Equal(ErrorKind.NewerRepository, Assert.Throws<BarkeepException>(() => ReceiverState.TryRead(path)).Kind);
        File.Delete(path);
    }
}
